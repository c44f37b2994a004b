import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { Download } from "lucide-react";
import { useState } from "react";
import { fetchFile } from "../../api/client";
import { downloadFile } from "../../text/csv";

/** All unknown messages as a file, to compare with the provider's log. */
export function ExportButton() {
  const [isBusy, setBusy] = useState(false);

  async function save() {
    setBusy(true);
    try {
      downloadFile("unknown-messages.csv", await fetchFile("/exports/unknown-messages"));
    } catch (error) {
      notifications.show({
        color: "red",
        title: "Not exported",
        message: error instanceof Error ? error.message : "The file cannot be read.",
      });
    }
    setBusy(false);
  }
  return (
    <Button
      variant="default"
      leftSection={<Download size={16} aria-hidden />}
      loading={isBusy}
      onClick={() => void save()}
    >
      Export as CSV
    </Button>
  );
}
