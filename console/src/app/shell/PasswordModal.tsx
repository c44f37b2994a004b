import { PasswordInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { PROBLEM } from "../../api/fragments";
import { graphql } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { useViewer } from "../viewer";

const CHANGE_PASSWORD = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    result: changePassword(input: $input) {
      ...Problem
    }
  }
`, [PROBLEM]);

/** The viewer's own password. Other sessions end when it changes; this one goes on. */
export function PasswordModal({ onClose }: { onClose: () => void }) {
  const viewer = useViewer();
  const change = useAction(CHANGE_PASSWORD);
  const form = useForm({ currentPassword: "", newPassword: "", again: "" }, change);
  const { currentPassword, newPassword, again } = form.values;

  return (
    <FormModal
      title="Change password"
      form={form}
      canSave={again === newPassword}
      onClose={onClose}
      onChange={() =>
        notifications.show({
          color: "green",
          title: "Password changed",
          message: "Your other sessions have ended.",
        })
      }
      onSave={() => change.run({ input: { currentPassword, newPassword } })}
      verb="Change password"
    >
      {/* Password managers read here whose password it is. */}
      <input hidden readOnly autoComplete="username" value={viewer.email} />
      <PasswordInput
        label="Current password"
        required
        withAsterisk={false}
        autoComplete="current-password"
        data-autofocus
        {...form.text("currentPassword")}
      />
      <PasswordInput
        label="New password"
        description="At least 8 characters. Every other browser that is signed in as you has to sign in again."
        required
        withAsterisk={false}
        autoComplete="new-password"
        {...form.text("newPassword")}
      />
      <PasswordInput
        label="New password again"
        required
        withAsterisk={false}
        autoComplete="new-password"
        {...form.text("again")}
        error={again && again !== newPassword ? "This is not the same as the new password." : null}
      />
    </FormModal>
  );
}
