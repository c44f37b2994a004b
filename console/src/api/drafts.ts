// Texts that are not sent yet. They survive a reload and a session that ends, for the same user. They
// do not survive a sign-out: on a shared machine the next user must not find them.

const PREFIX = "draft:";
const OWNER = "drafts-of";
/** What did not fit into the storage of the tab. It does not survive a reload. */
const unsaved = new Map<string, string>();

/** Forgets the drafts of another user. Called before a page of this user is shown. */
export function keepDraftsOf(userId: string): void {
  if (sessionStorage.getItem(OWNER) !== userId) forgetDrafts();
  sessionStorage.setItem(OWNER, userId);
}

export function readDraft(name: string): string {
  return unsaved.get(name) ?? sessionStorage.getItem(PREFIX + name) ?? "";
}

export function keepDraft(name: string, text: string): void {
  sessionStorage.removeItem(PREFIX + name);
  unsaved.delete(name);
  if (!text) return;
  try {
    sessionStorage.setItem(PREFIX + name, text);
  } catch {
    unsaved.set(name, text);
  }
}

/** A name that nobody can guess and nothing else has. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function forgetDrafts(): void {
  unsaved.clear();
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  }
}
