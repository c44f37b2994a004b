import { Button, Code, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { ConfirmModal } from "../../components/ConfirmModal";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { PlainTable, RowButton } from "../../components/PlainTable";
import { SecretNote } from "../../components/SecretNote";
import { TimeText } from "../../components/TimeText";
import { API_KEYS, type ApiKey, CREATE_KEY, REVOKE_KEY } from "./documents";

/** The viewer's own keys. A secret is shown once, when it is made. */
export function ApiKeys() {
  const { data, failure } = useData(API_KEYS, {}, { types: ["ApiKey", "CreatedApiKey"] });
  const [revoked, setRevoked] = useState<ApiKey | null>(null);
  const revoke = useAction(REVOKE_KEY);
  const keys = data?.apiKeys ?? [];

  async function confirm() {
    if (!revoked) return;
    const { success } = await revoke.run({ id: revoked.id });
    if (success) setRevoked(null);
  }

  return (
    <Stack component="section" aria-labelledby="api-keys">
      <div>
        <Title order={2} size="h4" id="api-keys">
          API keys
        </Title>
        <Text c="dimmed" size="sm">
          Programs call the API with a key. A key can do what you can do.
        </Text>
      </div>
      <NewKey />
      <FailureNote failure={failure} />
      {data && keys.length === 0 && (
        <EmptyState title="No keys yet">Create one for each program that calls the API.</EmptyState>
      )}
      {keys.length > 0 && (
        <PlainTable
          label="API keys"
          head={["Name", "Begins with", { wide: "Created" }, { wide: "Last used" }]}
        >
          {keys.map((key) => (
            <Table.Tr key={key.id}>
              <Table.Td>{key.name}</Table.Td>
              <Table.Td>
                <Code>{key.prefix}</Code>
              </Table.Td>
              <Table.Td visibleFrom="sm">
                <TimeText at={key.createdAt} />
              </Table.Td>
              <Table.Td visibleFrom="sm">
                {key.lastUsedAt ? <TimeText at={key.lastUsedAt} relative /> : "Never"}
              </Table.Td>
              <Table.Td ta="right">
                <RowButton label={`Revoke ${key.name}`} onClick={() => setRevoked(key)}>
                  Revoke
                </RowButton>
              </Table.Td>
            </Table.Tr>
          ))}
        </PlainTable>
      )}
      <ConfirmModal
        title={`Revoke “${revoked?.name ?? ""}”?`}
        verb="Revoke the key"
        isOpen={revoked !== null}
        isBusy={revoke.isBusy}
        failure={revoke.failure}
        onClose={() => setRevoked(null)}
        onConfirm={() => void confirm()}
      >
        Programs that use this key are refused at once. This cannot be undone.
      </ConfirmModal>
    </Stack>
  );
}

function NewKey() {
  const [name, setName] = useState("");
  const [secret, setSecret] = useState<string | null>(null);
  const create = useAction(CREATE_KEY);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const { success } = await create.run({ name });
    if (!success) return;
    setSecret(success.secret);
    setName("");
  }

  return (
    <>
      <form onSubmit={(event) => void submit(event)}>
        <Group align="flex-end">
          <TextInput
            label="Name of a new key"
            placeholder="Billing system"
            required
            withAsterisk={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={problemOf(create.failure, "name")}
          />
          <Button type="submit" loading={create.isBusy}>
            Create a key
          </Button>
        </Group>
      </form>
      <FailureNote failure={create.failure} fields={["name"]} />
      {secret && <SecretNote secret={secret} onClose={() => setSecret(null)} />}
    </>
  );
}
