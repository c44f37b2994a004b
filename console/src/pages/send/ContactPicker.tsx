import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useData } from "../../api/useData";
import { phone } from "../../text/phones";
import { FIND_CONTACTS } from "./documents";

/** Finds a contact by name or number and adds its number. */
export function ContactPicker({ onPick }: { onPick: (number: string) => void }) {
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search.trim(), 250);
  const { data, isFetching } = useData(FIND_CONTACTS, { search: wanted || null }, { types: ["Contact"] });
  const isSearching = search.trim() !== wanted || isFetching;
  const found = data?.contacts.nodes ?? [];
  return (
    <Select
      label="Add a contact"
      placeholder="Name or number"
      searchable
      value={null}
      searchValue={search}
      onSearchChange={setSearch}
      filter={({ options }) => options}
      nothingFoundMessage={isSearching ? "Searching …" : "No contact found"}
      data={found.map(({ id, number, name, optedOut }) => ({
        value: id,
        label: `${name ? `${name}, ` : ""}${phone(number)}${optedOut ? " (opted out)" : ""}`,
        disabled: optedOut,
      }))}
      onChange={(id) => {
        const contact = found.find((each) => each.id === id);
        if (contact) onPick(contact.number);
        setSearch("");
      }}
    />
  );
}
