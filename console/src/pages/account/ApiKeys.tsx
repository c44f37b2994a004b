import { Button, Code, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { actionColumn, type Column } from "../../components/columns";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { PlainTable } from "../../components/PlainTable";
import { SecretNote } from "../../components/SecretNote";
import { TimeText } from "../../components/TimeText";
import { API_KEYS, type ApiKey, CREATE_KEY, REVOKE_KEY } from "./documents";

function columnsWith(revoke: (key: ApiKey) => void): Column<ApiKey>[] {
  return [
    { header: "Name", cell: ({ name }) => name },
    { header: "Begins with", cell: ({ prefix }) => <Code>{prefix}</Code> },
    { header: "Created", cell: ({ createdAt }) => <TimeText at={createdAt} />, isWide: true },
    {
      header: "Last used",
      cell: ({ lastUsedAt }) => (lastUsedAt ? <TimeText at={lastUsedAt} relative /> : "Never"),
      isWide: true,
    },
    actionColumn(["Revoke", ({ name }) => `Revoke ${name}`, revoke]),
  ];
}

/** The viewer's own keys. A secret is shown once, when it is made. */
export function ApiKeys() {
  const { data, failure } = useData(API_KEYS, {}, { types: ["ApiKey", "CreatedApiKey"] });
  const [revoked, setRevoked] = useState<ApiKey | null>(null);
  const revoke = useAction(REVOKE_KEY);
  const keys = data?.apiKeys ?? [];

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
      <PlainTable label="API keys" rows={keys} columns={columnsWith(setRevoked)} />
      <FormModal
        title={`Revoke “${revoked?.name ?? ""}”?`}
        verb="Revoke the key"
        isFinal
        isOpen={revoked !== null}
        form={revoke}
        onClose={() => setRevoked(null)}
        onSave={() => revoke.run({ id: revoked?.id ?? "" })}
      >
        Programs that use this key are refused at once. This cannot be undone.
      </FormModal>
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
