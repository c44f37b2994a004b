import { Button, Group, Table, TextInput } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
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
        <EmptyState title="No groups yet">A group has a rate, and supervisors who divide its units.</EmptyState>
      )}
      {groups.length > 0 && (
        <Table aria-label="Groups">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Rate in USD</Table.Th>
              <Table.Th>
                <span className="visually-hidden">Actions</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {groups.map((group) => (
              <Table.Tr key={group.id}>
                <Table.Td>{group.name}</Table.Td>
                <Table.Td>{group.ratePerUnitUsd ?? "–"}</Table.Td>
                <Table.Td>
                  <Group justify="flex-end" gap="xs">
                    <Button
                      variant="default"
                      size="compact-sm"
                      aria-label={`Adjust the balance of ${group.name}`}
                      onClick={() =>
                        setTarget({ kind: "group", balance: null, unit: "credit", ...group })
                      }
                    >
                      Adjust
                    </Button>
                    <Button
                      variant="default"
                      size="compact-sm"
                      aria-label={`Edit ${group.name}`}
                      onClick={() => setEdited(group)}
                    >
                      Edit
                    </Button>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <GroupModal
        key={edited === null || edited === "new" ? edited : edited.id}
        group={edited}
        onClose={() => setEdited(null)}
      />
      <AdjustModal key={`adjust-${target?.id}`} target={target} onClose={() => setTarget(null)} onChange={() => {}} />
    </>
  );
}

function GroupModal({ group, onClose }: { group: ClientGroup | "new" | null; onClose: () => void }) {
  const known = group === "new" ? null : group;
  const [name, setName] = useState(known?.name ?? "");
  const [rate, setRate] = useState(known?.ratePerUnitUsd ?? "");
  const create = useAction(CREATE_GROUP);
  const update = useAction(UPDATE_GROUP);
  const failure = known ? update.failure : create.failure;

  async function submit() {
    const shared = { name, ratePerUnitUsd: rate.trim() || null };
    const { success } = known
      ? await update.run({ input: { id: known.id, ...shared } })
      : await create.run({ input: shared });
    if (success) onClose();
  }

  return (
    <FormModal
      title={known ? `Edit ${known.name}` : "Add a group"}
      isOpen={group !== null}
      isBusy={create.isBusy || update.isBusy}
      failure={failure}
      fields={["name", "ratePerUnitUsd"]}
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
        label="Rate per unit in USD"
        placeholder="0.03"
        inputMode="decimal"
        value={rate}
        onChange={(event) => setRate(event.currentTarget.value)}
        error={problemOf(failure, "ratePerUnitUsd")}
      />
    </FormModal>
  );
}
