import { PasswordInput, Select, Switch, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { choicesOf } from "../../app/filters";
import { ClientPicker } from "../../components/ClientPicker";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { GROUPS } from "../clients/documents";
import { CREATE_USER, ROLES, UPDATE_USER, type User } from "./documents";

interface UserModalProps {
  user: User | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

export function UserModal({ user, onClose, onChange }: UserModalProps) {
  const known = user === "new" ? null : user;
  const groups = useData(GROUPS, {}, { types: ["Group"] });
  const create = useAction(CREATE_USER);
  const update = useAction(UPDATE_USER);
  const action = known ? update : create;
  const form = useForm(
    {
      email: known?.email ?? "",
      password: "",
      role: known?.role ?? "CLIENT",
      clientId: known?.client?.id ?? null,
      groupId: known?.role === "SUPERVISOR" ? (known.group?.id ?? null) : null,
      disabled: known?.disabled ?? false,
    },
    action,
  );
  const { email, password, role, clientId, groupId, disabled } = form.values;

  function save() {
    const shared = {
      role,
      clientId: role === "ADMIN" ? null : clientId,
      groupId: role === "SUPERVISOR" ? groupId : null,
    };
    return known
      ? update.run({
          input: { id: known.id, disabled, ...shared, ...(password ? { password } : {}) },
        })
      : create.run({ input: { email, password, ...shared } });
  }

  return (
    <FormModal
      title={known ? `Edit ${known.email}` : "Add a user"}
      isOpen={user !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      {!known && (
        <TextInput label="Email" type="email" required autoComplete="off" {...form.text("email")} />
      )}
      <PasswordInput
        label={known ? "New password" : "Password"}
        description={
          known ? "Empty: the password stays. A new one ends every session of the user." : undefined
        }
        required={!known}
        autoComplete="new-password"
        {...form.text("password")}
      />
      <Select
        label="Role"
        data={choicesOf(ROLES)}
        {...form.choice("role")}
      />
      {role === "SUPERVISOR" && (
        <Select
          label="Group"
          required
          data={groups.data?.groups.map(({ id, name }) => ({ value: id, label: name })) ?? []}
          {...form.value("groupId")}
        />
      )}
      {role !== "ADMIN" && (
        <ClientPicker
          label={role === "SUPERVISOR" ? "Client to send from (optional)" : "Client"}
          withLabel
          {...form.value("clientId")}
        />
      )}
      {known && (
        <Switch
          label="Disabled"
          description="Ends every session and connection of the user at once."
          {...form.checked("disabled")}
        />
      )}
    </FormModal>
  );
}
