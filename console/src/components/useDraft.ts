import { useEffect, useState } from "react";

/** State that survives a reload of the page, in this tab only. */
export function useDraft(name: string): [string, (text: string) => void] {
  const key = `draft:${name}`;
  const [text, setText] = useState(() => sessionStorage.getItem(key) ?? "");
  useEffect(() => {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  }, [key, text]);
  return [text, setText];
}

/** Forgets all drafts: they belong to whoever was signed in. */
export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith("draft:")) sessionStorage.removeItem(key);
  }
}
