import { NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { type Client, CREATE_CLIENT, GROUPS, UPDATE_CLIENT } from "./documents";

interface ClientModalProps {
  client: Client | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

type Status = Client["status"];
const STATUSES = [
  { value: "ACTIVE", label: "Active" },
  { value: "DORMANT", label: "Dormant: it can sign in, but not send" },
  { value: "SUSPENDED", label: "Suspended: it cannot send" },
];
const FIELDS = ["name", "business", "status", "groupId", "ratePerUnitUsd", "assignedNumbers", "lowBalanceThreshold"];

export function ClientModal({ client, onClose, onChange }: ClientModalProps) {
  const known = client === "new" ? null : client;
  const [name, setName] = useState(known?.name ?? "");
  const [business, setBusiness] = useState(known?.business ?? "");
  const [status, setStatus] = useState<Status>(known?.status ?? "ACTIVE");
  const [groupId, setGroupId] = useState<string | null>(known?.group?.id ?? null);
  const [rate, setRate] = useState(known?.ratePerUnitUsd ?? "");
  const [threshold, setThreshold] = useState<number | string>(known?.lowBalanceThreshold ?? "");
  const [assignedNumbers, setNumbers] = useState<string[]>(known?.assignedNumbers ?? []);
  const groups = useData(GROUPS, {}, { types: ["Group"] });
  const create = useAction(CREATE_CLIENT);
  const update = useAction(UPDATE_CLIENT);
  const failure = known ? update.failure : create.failure;

  async function submit() {
    const shared = {
      name,
      business: business.trim() || null,
      groupId,
      ratePerUnitUsd: rate.trim() || null,
      assignedNumbers,
      lowBalanceThreshold: threshold === "" ? null : Number(threshold),
    };
    const { success } = known
      ? await update.run({ input: { id: known.id, status, ...shared } })
      : await create.run({ input: shared });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <FormModal
      title={known ? `Edit ${known.name}` : "Add a client"}
      isOpen={client !== null}
      isBusy={create.isBusy || update.isBusy}
      failure={failure}
      fields={FIELDS}
      onClose={onClose}
      onSave={submit}
    >
      <TextInput
        label="Name"
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={problemOf(failure, "name")}
        data-autofocus
      />
      <TextInput
        label="Business"
        description="Put on the contacts of this client."
        value={business}
        onChange={(event) => setBusiness(event.currentTarget.value)}
        error={problemOf(failure, "business")}
      />
      {known && (
        <Select
          label="Status"
          data={STATUSES}
          value={status}
          onChange={(value) => value && setStatus(value as Status)}
          allowDeselect={false}
          error={problemOf(failure, "status")}
        />
      )}
      <Select
        label="Group"
        placeholder="None"
        data={groups.data?.groups.map(({ id, name: label }) => ({ value: id, label })) ?? []}
        value={groupId}
        onChange={setGroupId}
        clearable
        error={problemOf(failure, "groupId")}
      />
      <TextInput
        label="Rate per unit in USD"
        description="Empty: the group's rate."
        placeholder="0.03"
        inputMode="decimal"
        value={rate}
        onChange={(event) => setRate(event.currentTarget.value)}
        error={problemOf(failure, "ratePerUnitUsd")}
      />
      <NumberInput
        label="Low balance"
        description="If the client holds less, the client and you get a notice. Empty: never."
        min={0}
        allowDecimal={false}
        value={threshold}
        onChange={setThreshold}
        error={problemOf(failure, "lowBalanceThreshold")}
      />
      <TagsInput
        label="Assigned numbers"
        description="Messages to these numbers belong to this client. Press Enter after each."
        value={assignedNumbers}
        onChange={setNumbers}
        error={problemOf(failure, "assignedNumbers")}
      />
    </FormModal>
  );
}
