import { Badge, Button, Group, Select } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Pencil, Plus, Upload } from "lucide-react";
import { useState } from "react";
import { usePages } from "../../api/usePages";
import { choicesOf, oneOf, useFilters } from "../../app/filters";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { DownloadButton } from "../../components/DownloadButton";
import { EmptyState } from "../../components/EmptyState";
import { Page } from "../../components/Page";
import { PhoneText } from "../../components/PhoneText";
import { SearchField } from "../../components/SearchField";
import { csvOf, download } from "../../text/csv";
import { phone } from "../../text/phones";
import { ContactModal } from "./ContactModal";
import { CONTACTS, type Contact, type ContactOrder } from "./documents";
import { ImportModal } from "./ImportModal";

const ORDERS: Record<ContactOrder, string> = {
  NEWEST: "Newest first",
  OLDEST: "Oldest first",
  NAME: "By name",
};
const OPT_OUTS = { no: "Not opted out", yes: "Opted out" };

function columnsWith(edit: (contact: Contact) => void): Column<Contact>[] {
  return [
    {
      header: "Name",
      cell: ({ name, optedOut }) => (
        <>
          {name ?? "–"}{" "}
          {optedOut && (
            <Badge variant="outline" color="red">
              Opted out
            </Badge>
          )}
        </>
      ),
    },
    { header: "Number", cell: ({ number }) => <PhoneText number={number} /> },
    { header: "Business", cell: ({ business }) => business ?? "–", isWide: true },
    actionColumn([
      <Pencil size={16} aria-hidden />,
      ({ name, number }) => `Edit ${name ?? phone(number)}`,
      edit,
    ]),
  ];
}

export function ContactsPage() {
  const [filters, change] = useFilters();
  const [edited, setEdited] = useState<Contact | "new" | null>(null);
  const [isImporting, importing] = useDisclosure();
  const { search = null } = filters;
  const optedOut = oneOf(filters.optedOut, OPT_OUTS);
  const orderBy = oneOf(filters.order, ORDERS) ?? "NEWEST";
  const filter = { optedOut: optedOut === null ? null : optedOut === "yes" };
  const pages = usePages(CONTACTS, { search, filter, orderBy }, (data) => data.contacts);

  async function save() {
    const rows = (await pages.readAll()).map((each) => [
      each.name,
      each.number,
      each.business,
      each.optedOut ? "yes" : "no",
    ]);
    download("contacts.csv", csvOf(["Name", "Phone", "Business", "Opted out"], rows));
  }

  return (
    <Page
      title="Contacts"
      description="People you have sent to, people who wrote to you, and people added here."
      actions={
        <>
          <Button
            variant="default"
            leftSection={<Upload size={16} aria-hidden />}
            onClick={importing.open}
          >
            Import
          </Button>
          <DownloadButton label="Export" save={save} />
          <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
            Add
          </Button>
        </>
      }
    >
      <Group>
        <SearchField label="Search by name or number" />
        <Select
          aria-label="Opt-out"
          placeholder="All contacts"
          data={choicesOf(OPT_OUTS)}
          value={optedOut}
          onChange={(value) => change({ optedOut: value })}
          clearable
        />
        <Select
          aria-label="Order"
          data={choicesOf(ORDERS)}
          value={orderBy}
          onChange={(value) => change({ order: value })}
          allowDeselect={false}
        />
      </Group>
      <DataTable
        label="Contacts"
        pages={pages}
        columns={columnsWith(setEdited)}
        empty={
          <EmptyState title={search || optedOut ? "No contact found" : "No contacts yet"}>
            {search || optedOut
              ? "Search for another name or number."
              : "Add one, import a file, or send a message: its recipients become contacts."}
          </EmptyState>
        }
      />
      <ContactModal
        key={edited === null || edited === "new" ? edited : edited.id}
        contact={edited}
        onClose={() => setEdited(null)}
        onChange={pages.refresh}
      />
      <ImportModal isOpen={isImporting} onClose={importing.close} onChange={pages.refresh} />
    </Page>
  );
}
