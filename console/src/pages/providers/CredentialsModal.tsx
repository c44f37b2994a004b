import { Autocomplete, NumberInput, PasswordInput, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { SET_CREDENTIALS } from "./documents";

interface CredentialsModalProps {
  isOpen: boolean;
  /** Names that can be chosen. */
  providers: string[];
  onClose: () => void;
  onChange: () => void;
}

const FIELDS = ["clientId", "provider", "username", "password", "pricePerMessage"];

/** Gives a client an account of its own. What is written here is never shown again. */
export function CredentialsModal({ isOpen, providers, onClose, onChange }: CredentialsModalProps) {
  const [clientId, setClientId] = useState<string | null>(null);
  const [provider, setProvider] = useState("");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [price, setPrice] = useState<number | string>("");
  const set = useAction(SET_CREDENTIALS);

  async function submit() {
    if (!clientId) return;
    const pricePerMessage = price === "" ? null : Number(price);
    const input = { clientId, provider, username, password, pricePerMessage };
    const { success } = await set.run({ input });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <FormModal
      title="Set a client's credentials"
      isOpen={isOpen}
      isBusy={set.isBusy}
      canSave={clientId !== null}
      failure={set.failure}
      fields={FIELDS}
      onClose={onClose}
      onSave={submit}
    >
      <Text size="sm">
        The client then sends through its own account at the provider, and its balance is read
        from there.
      </Text>
      <ClientPicker
        withLabel
        value={clientId}
        onChange={setClientId}
        error={problemOf(set.failure, "clientId")}
      />
      <Autocomplete
        label="Provider"
        required
        data={providers}
        value={provider}
        onChange={setProvider}
        error={problemOf(set.failure, "provider")}
      />
      <TextInput
        label="User name"
        autoComplete="off"
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
        error={problemOf(set.failure, "username")}
      />
      <PasswordInput
        label="Password or key"
        description="Stored encrypted and never shown again."
        autoComplete="new-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={problemOf(set.failure, "password")}
      />
      <NumberInput
        label="Price of one message"
        description="In units of the provider. Empty: unchanged."
        min={1}
        allowDecimal={false}
        value={price}
        onChange={setPrice}
        error={problemOf(set.failure, "pricePerMessage")}
      />
      <Text size="xs" c="dimmed">
        Leave user name and password empty to charge the platform&apos;s account again.
      </Text>
    </FormModal>
  );
}
