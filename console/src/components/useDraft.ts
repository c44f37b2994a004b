import { useEffect, useState } from "react";
import { keepDraft, readDraft } from "../api/drafts";

/** State that survives a reload of the page, in this tab only. */
export function useDraft(name: string): [string, (text: string) => void] {
  const [text, setText] = useState(() => readDraft(name));
  useEffect(() => keepDraft(name, text), [name, text]);
  return [text, setText];
}
