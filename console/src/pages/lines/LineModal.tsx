import { Button, Group, Modal, Stack, TagsInput, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { type Line, SET_ROUTE } from "./documents";

/** Sets a line by hand: it overrides what has been learned. */
export function LineModal({ line, onClose }: { line: Line | "new" | null; onClose: () => void }) {
  const known = line === "new" ? null : line;
  const [modem, setModem] = useState(known?.modem ?? "");
  const [port, setPort] = useState(known?.port ?? "");
  const [clientId, setClientId] = useState<string | null>(known?.client.id ?? null);
  const [numbers, setNumbers] = useState<string[]>(known?.assignedNumbers ?? []);
  const set = useAction(SET_ROUTE);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!clientId) return;
    const { success } = await set.run({ input: { modem, port, clientId, assignedNumbers: numbers } });
    if (success) onClose();
  }

  return (
    <Modal opened={line !== null} onClose={onClose} title={known ? "Change the line" : "Set a line"} centered>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          <TextInput
            label="Modem"
            required
            value={modem}
            onChange={(event) => setModem(event.currentTarget.value)}
            error={problemOf(set.failure, "modem")}
            disabled={known !== null}
          />
          <TextInput
            label="Port"
            required
            value={port}
            onChange={(event) => setPort(event.currentTarget.value)}
            error={problemOf(set.failure, "port")}
            disabled={known !== null}
          />
          <ClientPicker
            withLabel
            value={clientId}
            onChange={setClientId}
            error={problemOf(set.failure, "clientId")}
          />
          <TagsInput
            label="Numbers of this line"
            description="Press Enter after each."
            value={numbers}
            onChange={setNumbers}
            error={problemOf(set.failure, "assignedNumbers")}
          />
          <FailureNote failure={set.failure} fields={["modem", "port", "clientId", "assignedNumbers"]} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={set.isBusy} disabled={!clientId}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
