import { PasswordInput, Select, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { ClientPicker } from "../../components/ClientPicker";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { GROUPS } from "../clients/documents";
import { CREATE_USER, UPDATE_USER, type User } from "./documents";
import { ROLES } from "./UsersPage";

interface UserModalProps {
  user: User | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

const FIELDS = ["email", "password", "role", "clientId", "groupId", "disabled"];

export function UserModal({ user, onClose, onChange }: UserModalProps) {
  const known = user === "new" ? null : user;
  const [email, setEmail] = useState(known?.email ?? "");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<User["role"]>(known?.role ?? "CLIENT");
  const [clientId, setClientId] = useState<string | null>(known?.client?.id ?? null);
  const [groupId, setGroupId] = useState<string | null>(
    known?.role === "SUPERVISOR" ? (known.group?.id ?? null) : null,
  );
  const [disabled, setDisabled] = useState(known?.disabled ?? false);
  const groups = useData(GROUPS, {}, { types: ["Group"] });
  const create = useAction(CREATE_USER);
  const update = useAction(UPDATE_USER);
  const failure = known ? update.failure : create.failure;

  async function submit() {
    const shared = {
      role,
      clientId: role === "ADMIN" ? null : clientId,
      groupId: role === "SUPERVISOR" ? groupId : null,
    };
    const { success } = known
      ? await update.run({
          input: { id: known.id, disabled, ...shared, ...(password ? { password } : {}) },
        })
      : await create.run({ input: { email, password, ...shared } });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <FormModal
      title={known ? `Edit ${known.email}` : "Add a user"}
      isOpen={user !== null}
      isBusy={create.isBusy || update.isBusy}
      failure={failure}
      fields={FIELDS}
      onClose={onClose}
      onSave={submit}
    >
      {!known && (
        <TextInput
          label="Email"
          type="email"
          required
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={problemOf(failure, "email")}
          autoComplete="off"
        />
      )}
      <PasswordInput
        label={known ? "New password" : "Password"}
        description={known ? "Empty: the password stays. A new one ends every session of the user." : undefined}
        required={!known}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={problemOf(failure, "password")}
        autoComplete="new-password"
      />
      <Select
        label="Role"
        data={Object.entries(ROLES).map(([value, label]) => ({ value, label }))}
        value={role}
        onChange={(value) => value && setRole(value as User["role"])}
        allowDeselect={false}
        error={problemOf(failure, "role")}
      />
      {role === "SUPERVISOR" && (
        <Select
          label="Group"
          required
          data={groups.data?.groups.map(({ id, name }) => ({ value: id, label: name })) ?? []}
          value={groupId}
          onChange={setGroupId}
          error={problemOf(failure, "groupId")}
        />
      )}
      {role !== "ADMIN" && (
        <ClientPicker
          label={role === "SUPERVISOR" ? "Client to send from (optional)" : "Client"}
          withLabel
          value={clientId}
          onChange={setClientId}
          error={problemOf(failure, "clientId")}
        />
      )}
      {known && (
        <Switch
          label="Disabled"
          description="Ends every session and connection of the user at once."
          checked={disabled}
          onChange={(event) => setDisabled(event.currentTarget.checked)}
        />
      )}
    </FormModal>
  );
}
