import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { NAMED_CLIENT } from "../api/fragments";
import { graphql } from "../api/graphql";
import { useData } from "../api/useData";
import { useViewer } from "../app/viewer";
import { distinctNames } from "../text/names";

const CLIENTS = graphql(`
  query PickClient($search: String) {
    clients(first: 50, search: $search) {
      nodes {
        ...NamedClient
      }
    }
  }
`, [NAMED_CLIENT]);

const MEMBERS = graphql(`
  query PickMember($search: String) {
    allocations(first: 50, search: $search) {
      nodes {
        client {
          ...NamedClient
        }
      }
    }
  }
`, [NAMED_CLIENT]);

const ONE = graphql(`
  query PickedClient($id: ID!) {
    node(id: $id) {
      ... on Client {
        ...NamedClient
      }
    }
  }
`, [NAMED_CLIENT]);

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
  const isSearching = search !== wanted || clients.isFetching || members.isFetching;
  const isUnknown = value !== null && found.every(({ id }) => id !== value);
  const one = useData(ONE, { id: value ?? "" }, { isPaused: !isUnknown, types: ["Client"] });
  const picked = isUnknown && one.data?.node && "name" in one.data.node ? [one.data.node] : [];
  const names = distinctNames([...picked, ...found]);
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
      onSearchChange={(text) => setSearch([...names.values()].includes(text) ? "" : text)}
      nothingFoundMessage={isSearching ? "Searching …" : "No client found"}
      data={Array.from(names, ([id, label]) => ({ value: id, label }))}
      error={error}
    />
  );
}
