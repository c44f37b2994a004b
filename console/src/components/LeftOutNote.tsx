import { Alert } from "@mantine/core";
import type { Upload } from "../api/client";
import { units } from "../text/numbers";

/** What was not read of a spreadsheet: rows that are hidden, for example by a filter, and other sheets. */
export function LeftOutNote({ upload }: { upload: Upload }) {
  const { sheet, otherSheets, hiddenRows } = upload;
  if (hiddenRows === 0 && otherSheets.length === 0) return null;
  return (
    <Alert color="orange" variant="outline" role="status" title="Not all of the file is used">
      {hiddenRows > 0 && (
        <div>
          {units(hiddenRows, "hidden row")} of the sheet “{sheet}” {hiddenRows === 1 ? "is" : "are"} left
          out. To use {hiddenRows === 1 ? "it" : "them"} too, remove the filter or show the rows, save
          the file, and choose it again.
        </div>
      )}
      {otherSheets.length > 0 && (
        <div>
          Only the sheet “{sheet}” is read. Not read: {otherSheets.join(", ")}. To use another sheet, save
          it as a separate file.
        </div>
      )}
    </Alert>
  );
}
