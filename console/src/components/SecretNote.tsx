import { Alert, Code, Group } from "@mantine/core";
import { CopyButton } from "./CopyButton";

/** A new secret, which is shown once. */
export function SecretNote({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Alert
      color="green"
      variant="outline"
      title="Copy the secret now: it is not shown again"
      withCloseButton
      closeButtonLabel="Close"
      onClose={onClose}
    >
      <Group>
        <Code style={{ overflowWrap: "anywhere" }}>{secret}</Code>
        <CopyButton value={secret} />
      </Group>
    </Alert>
  );
}
