/** The numbers that somebody typed or pasted: one a line, or separated by commas or semicolons. */
export function numbersIn(text: string): string[] {
  return text
    .split(/[\n,;\t]+/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
