import { fetchFile } from "../../api/client";
import { DownloadButton } from "../../components/DownloadButton";
import { downloadFile } from "../../text/csv";

/** All unknown messages as a file, to compare with the provider's log. */
export function ExportButton() {
  async function save() {
    downloadFile("unknown-messages.csv", await fetchFile("/exports/unknown-messages"));
  }
  return <DownloadButton label="Export as CSV" save={save} />;
}
