import { Button, Group, TextInput } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { actionColumn } from "../../components/columns";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { PlainTable } from "../../components/PlainTable";
import { useForm } from "../../components/useForm";
import { Waiting } from "../../components/Waiting";
import { AdjustModal, type Target } from "../credits/AdjustModal";
import { type ClientGroup, CREATE_GROUP, GROUPS, UPDATE_GROUP } from "./documents";

export function GroupList() {
  const { data, failure, isLoading } = useData(GROUPS, {}, { types: ["Group"] });
  const [edited, setEdited] = useState<ClientGroup | "new" | null>(null);
  const [target, setTarget] = useState<Target | null>(null);
  const groups = data?.groups ?? [];
  return (
    <>
      <Group justify="flex-end">
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Add a group
        </Button>
      </Group>
      <FailureNote failure={failure} />
      {isLoading && <Waiting lines={2} />}
      {data && groups.length === 0 && (
        <EmptyState title="No groups yet">
          A group has a rate, and supervisors who divide its units.
        </EmptyState>
      )}
      <PlainTable
        label="Groups"
        rows={groups}
        columns={[
          { header: "Name", cell: ({ name }) => name },
          { header: "Rate in USD", cell: ({ ratePerUnitUsd }) => ratePerUnitUsd ?? "–" },
          actionColumn<ClientGroup>(
            [
              "Adjust",
              ({ name }) => `Adjust the balance of ${name}`,
              (group) => setTarget({ kind: "group", balance: null, unit: "credit", ...group }),
            ],
            ["Edit", ({ name }) => `Edit ${name}`, setEdited],
          ),
        ]}
      />
      <GroupModal
        key={edited === null || edited === "new" ? edited : edited.id}
        group={edited}
        onClose={() => setEdited(null)}
      />
      <AdjustModal
        key={`adjust-${target?.id}`}
        target={target}
        onClose={() => setTarget(null)}
        onChange={() => {}}
      />
    </>
  );
}

function GroupModal({
  group,
  onClose,
}: {
  group: ClientGroup | "new" | null;
  onClose: () => void;
}) {
  const known = group === "new" ? null : group;
  const create = useAction(CREATE_GROUP);
  const update = useAction(UPDATE_GROUP);
  const action = known ? update : create;
  const form = useForm(
    { name: known?.name ?? "", ratePerUnitUsd: known?.ratePerUnitUsd ?? "" },
    action,
  );

  function save() {
    const { name, ratePerUnitUsd } = form.values;
    const shared = { name, ratePerUnitUsd: ratePerUnitUsd.trim() || null };
    return known
      ? update.run({ input: { id: known.id, ...shared } })
      : create.run({ input: shared });
  }

  return (
    <FormModal
      title={known ? `Edit ${known.name}` : "Add a group"}
      isOpen={group !== null}
      form={form}
      onClose={onClose}
      onSave={save}
    >
      <TextInput label="Name" required data-autofocus {...form.text("name")} />
      <TextInput
        label="Rate per unit in USD"
        placeholder="0.03"
        inputMode="decimal"
        {...form.text("ratePerUnitUsd")}
      />
    </FormModal>
  );
}
