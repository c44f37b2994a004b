import { Autocomplete, NumberInput, PasswordInput, Text, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FormModal } from "../../components/FormModal";
import { numberOrNull, useForm } from "../../components/useForm";
import { SET_CREDENTIALS } from "./documents";

interface CredentialsModalProps {
  isOpen: boolean;
  /** Names that can be chosen. */
  providers: string[];
  onClose: () => void;
  onChange: () => void;
}

/** Gives a client its own account. What is written here is never shown again. */
export function CredentialsModal({ isOpen, providers, onClose, onChange }: CredentialsModalProps) {
  const set = useAction(SET_CREDENTIALS);
  const form = useForm(
    {
      clientId: null as string | null,
      provider: "",
      username: "",
      password: "",
      pricePerMessage: "" as number | string,
    },
    set,
  );

  async function save() {
    const { clientId, pricePerMessage, ...rest } = form.values;
    if (!clientId) return;
    return set.run({
      input: { clientId, pricePerMessage: numberOrNull(pricePerMessage), ...rest },
    });
  }

  return (
    <FormModal
      title="Set a client's credentials"
      isOpen={isOpen}
      canSave={form.values.clientId !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      <Text size="sm">
        The client then sends through its own account at the provider, and its balance is read from
        there.
      </Text>
      <ClientPicker withLabel {...form.value("clientId")} />
      <Autocomplete label="Provider" required data={providers} {...form.value("provider")} />
      <TextInput label="User name" autoComplete="off" {...form.text("username")} />
      <PasswordInput
        label="Password or key"
        description="Stored encrypted and never shown again."
        autoComplete="new-password"
        {...form.text("password")}
      />
      <NumberInput
        label="Price of one message"
        description="In units of the provider. Empty: unchanged."
        min={1}
        {...form.value("pricePerMessage")}
      />
      <Text size="xs" c="dimmed">
        Leave user name and password empty to charge the platform&apos;s account again.
      </Text>
    </FormModal>
  );
}
