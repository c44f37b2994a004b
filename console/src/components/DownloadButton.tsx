import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { Download } from "lucide-react";
import { useState } from "react";
import { CombinedError } from "urql";
import { failureOf } from "../api/useAction";

/** Saves a file. Says why if it could not be read. */
export function DownloadButton({ label, save }: { label: string; save: () => Promise<void> }) {
  const [isBusy, setBusy] = useState(false);

  async function run() {
    setBusy(true);
    try {
      await save();
    } catch (error) {
      notifications.show({ color: "red", title: "The file was not saved", message: reasonOf(error) });
    }
    setBusy(false);
  }
  return (
    <Button
      variant="default"
      leftSection={<Download size={16} aria-hidden />}
      loading={isBusy}
      onClick={() => void run()}
    >
      {label}
    </Button>
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof CombinedError) return failureOf(error).message;
  return error instanceof Error ? error.message : "It cannot be read.";
}
