import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Search } from "lucide-react";
import { useState } from "react";

const PATIENCE_MILLISECONDS = 250;

/** Searches a moment after the last key. `onSearch` gets null for an empty field. */
export function SearchField({
  label,
  onSearch,
}: {
  label: string;
  onSearch: (search: string | null) => void;
}) {
  const [text, setText] = useState("");
  const search = useDebouncedCallback(onSearch, PATIENCE_MILLISECONDS);
  return (
    <TextInput
      type="search"
      aria-label={label}
      placeholder={label}
      leftSection={<Search size={16} aria-hidden />}
      value={text}
      onChange={(event) => {
        const value = event.currentTarget.value;
        setText(value);
        search(value.trim() || null);
      }}
      miw={200}
      w={280}
      maw="100%"
    />
  );
}
