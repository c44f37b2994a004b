import { Button, Checkbox, Group, Stack, Text, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { can, useViewer } from "../../app/viewer";
import { ClientPicker } from "../../components/ClientPicker";
import { FailureNote } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { CREATE, DELETE, type Endpoint, type EventType, ROTATE, UPDATE } from "./documents";

export const EVENT_NAMES: Record<EventType, string> = {
  MESSAGE_UPDATED: "Message changed",
  MESSAGE_RECEIVED: "Message received",
  SEND_FINISHED: "Send finished",
  BALANCE_LOW: "Balance low",
  OPTOUT_CHANGED: "Opt-out changed",
  WEBHOOK_TEST: "Test",
};
const CHOICES = (Object.keys(EVENT_NAMES) as EventType[]).filter(
  (event) => event !== "WEBHOOK_TEST",
);

interface EndpointModalProps {
  endpoint: Endpoint | "new" | null;
  onClose: () => void;
  onChange: () => void;
  onSecret: (secret: string) => void;
}

export function EndpointModal({ endpoint, onClose, onChange, onSecret }: EndpointModalProps) {
  const known = endpoint === "new" ? null : endpoint;
  const isAdmin = can(useViewer(), "admin");
  const create = useAction(CREATE);
  const update = useAction(UPDATE);
  const remove = useAction(DELETE);
  const action = known ? update : create;
  const form = useForm(
    {
      url: known?.url ?? "",
      events: (known?.events ?? CHOICES) as string[],
      description: known?.description ?? "",
      clientId: null as string | null,
    },
    action,
  );

  async function save() {
    const { clientId, ...rest } = form.values;
    const shared = { ...rest, events: rest.events as EventType[] };
    if (known) return update.run({ input: { id: known.id, ...shared } });
    const answer = await create.run({ input: { ...shared, clientId } });
    if (answer.success) onSecret(answer.success.secret);
    return answer;
  }

  function done() {
    onChange();
    onClose();
  }

  return (
    <FormModal
      title={known ? "Edit an endpoint" : "Add an endpoint"}
      isOpen={endpoint !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
      remove={known && { ...remove, run: () => remove.run({ id: known.id }) }}
      below={known && <MoreActions endpoint={known} onDone={done} onSecret={onSecret} />}
    >
      <TextInput
        label="Address"
        placeholder="https://example.com/hooks"
        required
        {...form.text("url")}
      />
      <TextInput label="Description (optional)" {...form.text("description")} />
      <Checkbox.Group label="Events" {...form.value("events")}>
        <Stack gap="xs" pt="xs">
          {CHOICES.map((event) => (
            <Checkbox key={event} value={event} label={EVENT_NAMES[event]} />
          ))}
        </Stack>
      </Checkbox.Group>
      {isAdmin && !known && <ClientPicker label="Client" withLabel {...form.value("clientId")} />}
    </FormModal>
  );
}

interface MoreActionsProps {
  endpoint: Endpoint;
  onDone: () => void;
  onSecret: (secret: string) => void;
}

/** Pausing, and a new secret. */
function MoreActions({ endpoint, onDone, onSecret }: MoreActionsProps) {
  const pause = useAction(UPDATE);
  const rotate = useAction(ROTATE);
  const isPaused = endpoint.status === "PAUSED";

  async function togglePause() {
    const { success } = await pause.run({ input: { id: endpoint.id, paused: !isPaused } });
    if (success) onDone();
  }

  async function newSecret() {
    const { success } = await rotate.run({ id: endpoint.id });
    if (!success) return;
    onSecret(success.secret);
    onDone();
  }

  return (
    <Stack pt="lg" gap="xs">
      <Text size="sm" c="dimmed">
        A new secret is valid at once. The one before also signs for 24 hours.
      </Text>
      <Group>
        <Button
          variant="default"
          size="xs"
          loading={pause.isBusy}
          onClick={() => void togglePause()}
        >
          {isPaused ? "Resume" : "Pause"}
        </Button>
        <Button
          variant="default"
          size="xs"
          loading={rotate.isBusy}
          onClick={() => void newSecret()}
        >
          New secret
        </Button>
      </Group>
      <FailureNote failure={pause.failure ?? rotate.failure} />
    </Stack>
  );
}
