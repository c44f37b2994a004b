// Texts that are not sent yet. They survive a reload and a session that ends, for the same user. They
// do not survive a sign-out: on a shared machine the next user must not find them.

const PREFIX = "draft:";
const OWNER = "drafts-of";

/** Forgets the drafts of another user. Called before a page of this user is shown. */
export function keepDraftsOf(userId: string): void {
  if (sessionStorage.getItem(OWNER) !== userId) forgetDrafts();
  sessionStorage.setItem(OWNER, userId);
}

export function readDraft(name: string): string {
  return sessionStorage.getItem(PREFIX + name) ?? "";
}

export function keepDraft(name: string, text: string): void {
  sessionStorage.removeItem(PREFIX + name);
  if (!text) return;
  try {
    sessionStorage.setItem(PREFIX + name, text);
  } catch {
    // The storage is full. The text is still on the page.
  }
}

export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  }
}
