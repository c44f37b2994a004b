import { Alert, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { FormModal } from "../../components/FormModal";
import { numberOrNull, useForm } from "../../components/useForm";
import { nameKey } from "../../text/names";
import { type Client, CLIENTS, CREATE_CLIENT, GROUPS, UPDATE_CLIENT } from "./documents";

interface ClientModalProps {
  client: Client | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

const STATUSES = [
  { value: "ACTIVE", label: "Active" },
  { value: "DORMANT", label: "Dormant: it can sign in, but not send" },
  { value: "SUSPENDED", label: "Suspended: it cannot send" },
];

export function ClientModal({ client, onClose, onChange }: ClientModalProps) {
  const known = client === "new" ? null : client;
  const groups = useData(GROUPS, {}, { types: ["Group"] });
  const create = useAction(CREATE_CLIENT);
  const update = useAction(UPDATE_CLIENT);
  const action = known ? update : create;
  const form = useForm(
    {
      name: known?.name ?? "",
      business: known?.business ?? "",
      status: known?.status ?? "ACTIVE",
      groupId: known?.group?.id ?? null,
      ratePerUnitUsd: known?.ratePerUnitUsd ?? "",
      lowBalanceThreshold: known?.lowBalanceThreshold ?? ("" as number | string),
      assignedNumbers: known?.assignedNumbers ?? [],
    },
    action,
  );

  function save() {
    const { status, business, ratePerUnitUsd, lowBalanceThreshold, ...rest } = form.values;
    const shared = {
      ...rest,
      business: business.trim() || null,
      ratePerUnitUsd: ratePerUnitUsd.trim() || null,
      lowBalanceThreshold: numberOrNull(lowBalanceThreshold),
    };
    return known
      ? update.run({ input: { id: known.id, status, ...shared } })
      : create.run({ input: shared });
  }

  return (
    <FormModal
      title={known ? `Edit ${known.name}` : "Add a client"}
      isOpen={client !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      <TextInput label="Name" required data-autofocus {...form.text("name")} />
      <SameNameNote name={form.values.name} id={known?.id ?? null} />
      <TextInput
        label="Business"
        description="Put on the contacts of this client."
        {...form.text("business")}
      />
      {known && <Select label="Status" data={STATUSES} {...form.choice("status")} />}
      <Select
        label="Group"
        placeholder="None"
        data={groups.data?.groups.map(({ id, name: label }) => ({ value: id, label })) ?? []}
        clearable
        {...form.value("groupId")}
      />
      <TextInput
        label="Rate per unit in USD"
        description="Empty: the group's rate."
        placeholder="0.03"
        inputMode="decimal"
        {...form.text("ratePerUnitUsd")}
      />
      <NumberInput
        label="Low balance"
        description="If the client holds less, the client and you get a notice. Empty: never."
        min={0}
        {...form.value("lowBalanceThreshold")}
      />
      <TagsInput
        label="Assigned numbers"
        description="Messages to these numbers belong to this client. Press Enter after each."
        {...form.value("assignedNumbers")}
      />
    </FormModal>
  );
}

/** Two clients may have the same name. Nothing but a name tells them apart in most lists. */
function SameNameNote({ name, id }: { name: string; id: string | null }) {
  const [search] = useDebouncedValue(name.trim(), 300);
  const variables = { search, first: 20 };
  const { data } = useData(CLIENTS, variables, { isPaused: search === "", types: ["Client"] });
  const isTaken = data?.clients.nodes.some((each) => each.id !== id && nameKey(each.name) === nameKey(name));
  if (!isTaken) return null;
  return (
    <Alert color="orange" variant="outline" role="status">
      There is already a client of this name. Add something that tells them apart, such as the town.
    </Alert>
  );
}
