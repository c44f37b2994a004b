import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Search } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useFilters } from "../app/filters";

const PATIENCE_MILLISECONDS = 250;

/** Searches a moment after the last key: changes the filter `search`. */
export function SearchField({ label }: { label: string }) {
  const [{ search = "" }, change] = useFilters();
  const [text, setText] = useState(search);
  const field = useRef<HTMLInputElement>(null);
  const ask = useDebouncedCallback(
    (value: string) => change({ search: value.trim() || null }),
    PATIENCE_MILLISECONDS,
  );
  useEffect(() => {
    // A link to the page without a search also empties the field.
    if (document.activeElement !== field.current) setText(search);
  }, [search]);
  return (
    <TextInput
      ref={field}
      type="search"
      aria-label={label}
      placeholder={label}
      leftSection={<Search size={16} aria-hidden />}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        ask(event.currentTarget.value);
      }}
      miw={200}
      w={280}
      maw="100%"
    />
  );
}
