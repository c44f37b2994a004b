// Keys of changes that cost money: repeating a change with its key cannot do it twice.
import { keepDraft, newKey, readDraft } from "./drafts";

/**
 * The key of a change that is intended now. The same content keeps its key until the change is done, also
 * after a reload of the page: somebody who presses the button again after a lost connection must not do
 * it twice.
 */
export function keyFor(change: string, content: string): string {
  const [kept, before] = JSON.parse(readDraft(nameOf(change)) || "[]") as [string?, string?];
  if (kept !== undefined && before === content) return kept;
  const key = newKey();
  keepDraft(nameOf(change), JSON.stringify([key, content]));
  return key;
}

/** The change is done: the same content is another change from now on. */
export function forgetKey(change: string): void {
  keepDraft(nameOf(change), "");
}

function nameOf(change: string): string {
  return `key-of-${change}`;
}
