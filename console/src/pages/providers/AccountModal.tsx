import { NumberInput, PasswordInput, Select, Switch, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { FormModal } from "../../components/FormModal";
import { numberOrNull, useForm } from "../../components/useForm";
import {
  CREATE_ACCOUNT,
  KINDS,
  type ProviderAccount,
  type ProviderKind,
  UPDATE_ACCOUNT,
} from "./documents";

interface AccountModalProps {
  isOpen: boolean;
  /** The account to change. Null adds one. */
  account: ProviderAccount | null;
  onClose: () => void;
  onChange: () => void;
}

type Values = Record<string, string>;

/** Adds an account of the platform at a provider, or changes one. Secrets are never shown again. */
export function AccountModal({ isOpen, account, onClose, onChange }: AccountModalProps) {
  const { data } = useData(KINDS, {});
  const create = useAction(CREATE_ACCOUNT);
  const update = useAction(UPDATE_ACCOUNT);
  const action = account ? update : create;
  const form = useForm(
    {
      provider: account?.provider ?? null,
      name: account?.name ?? "",
      messagesPerSecond: account?.messagesPerSecond ?? ("" as number | string),
      isDefault: account?.isDefault ?? false,
    },
    action,
  );
  const [values, setValues] = useState<Values>(() =>
    Object.fromEntries((account?.configuration ?? []).map((each) => [each.name, each.value])),
  );
  const { provider, isDefault } = form.values;
  const kinds = data?.providerKinds ?? [];
  const fields = kinds.find((kind) => kind.name === provider)?.fields ?? [];

  async function save() {
    if (!provider) return;
    const shared = {
      name: form.values.name || null,
      messagesPerSecond: numberOrNull(form.values.messagesPerSecond),
    };
    const configuration = given(fields, values);
    return account
      ? update.run({
          input: {
            id: account.id,
            ...shared,
            ...(configuration.length > 0 && { configuration }),
            ...(isDefault && { isDefault }),
          },
        })
      : create.run({ input: { provider, configuration, isDefault, ...shared } });
  }

  return (
    <FormModal
      title={account ? "Change the provider account" : "Add a provider account"}
      isOpen={isOpen}
      canSave={provider !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      <Select
        label="Provider"
        required
        disabled={account !== null}
        data={kinds.map((kind) => kind.name)}
        {...form.value("provider")}
      />
      <TextInput label="Name" {...form.text("name")} />
      {account && account.configuration === null && (
        <Text size="sm">
          The settings of the installation have the values of this account. What you give here
          replaces them.
        </Text>
      )}
      <Fields fields={fields} values={values} isNew={account === null} onChange={setValues} />
      <NumberInput
        label="Messages per second"
        description="Empty: the limit of the installation."
        min={1}
        {...form.value("messagesPerSecond")}
      />
      <Switch
        label="Default account: new clients and groups use it"
        disabled={account?.isDefault}
        {...form.checked("isDefault")}
      />
    </FormModal>
  );
}

interface FieldsProps {
  fields: ProviderKind["fields"];
  values: Values;
  isNew: boolean;
  onChange: (values: Values) => void;
}

/** The values that the provider asks for. An empty secret of an existing account is not changed. */
function Fields({ fields, values, isNew, onChange }: FieldsProps) {
  return fields.map((field) => {
    const shared = {
      label: field.name,
      description:
        field.secret && !isNew ? `${field.description} Empty: unchanged.` : field.description,
      placeholder: field.default ?? undefined,
      required: isNew && field.required,
      value: values[field.name] ?? "",
      onChange: (event: { currentTarget: { value: string } }) =>
        onChange({ ...values, [field.name]: event.currentTarget.value }),
    };
    return field.secret ? (
      <PasswordInput key={field.name} autoComplete="new-password" {...shared} />
    ) : (
      <TextInput key={field.name} autoComplete="off" {...shared} />
    );
  });
}

/** The values to store: none for one that was not touched, null for one that was emptied. */
function given(fields: ProviderKind["fields"], values: Values) {
  return fields
    .filter(({ name, secret }) => name in values && (values[name] !== "" || !secret))
    .map(({ name }) => ({ name, value: values[name] || null }));
}
