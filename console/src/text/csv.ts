// CSV files that spreadsheets open without surprises.
const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?\d+(\.\d+)?$/;

/** A table as CSV. Text that a spreadsheet would run as a formula gets an apostrophe. */
export function csvOf(header: string[], rows: (string | number | null)[][]): string {
  return [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

function cell(value: string | number | null): string {
  const text = value === null ? "" : String(value);
  const isFormula = FORMULA.test(text) && !NUMBER.test(text);
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}

export function download(name: string, content: string): void {
  // Excel reads UTF-8 only behind a byte order mark.
  downloadFile(name, new Blob(["\uFEFF", content], { type: "text/csv;charset=utf-8" }));
}

export function downloadFile(name: string, file: Blob): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
