import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { graphql } from "../api/graphql";
import { useData } from "../api/useData";
import { useViewer } from "../app/viewer";

const CLIENTS = graphql(`
  query PickClient($search: String) {
    clients(first: 50, search: $search) {
      nodes {
        id
        name
      }
    }
  }
`);

const MEMBERS = graphql(`
  query PickMember($search: String) {
    allocations(first: 50, search: $search) {
      nodes {
        client {
          id
          name
        }
      }
    }
  }
`);

interface ClientPickerProps {
  label?: string;
  value: string | null;
  onChange: (clientId: string | null) => void;
  error?: string | null;
  withLabel?: boolean;
}

/** Finds a client by name: an admin among all, a supervisor in the group. */
export function ClientPicker({ label = "Client", value, onChange, error, withLabel }: ClientPickerProps) {
  const isAdmin = useViewer().role === "ADMIN";
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search, 250);
  const variables = { search: wanted || null };
  const clients = useData(CLIENTS, variables, { isPaused: !isAdmin, types: ["Client"] });
  const members = useData(MEMBERS, variables, { isPaused: isAdmin, types: ["Client"] });
  const found = isAdmin
    ? (clients.data?.clients.nodes ?? [])
    : (members.data?.allocations.nodes.map(({ client }) => client) ?? []);
  return (
    <Select
      aria-label={label}
      label={withLabel ? label : undefined}
      placeholder={label}
      searchable
      clearable
      value={value}
      onChange={(id) => {
        onChange(id);
        setSearch("");
      }}
      onSearchChange={(text) => setSearch(found.some(({ name }) => name === text) ? "" : text)}
      nothingFoundMessage="No client found"
      data={found.map(({ id, name }) => ({ value: id, label: name }))}
      error={error}
    />
  );
}
