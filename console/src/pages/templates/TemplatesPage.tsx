import { Button } from "@mantine/core";
import { Pencil, Plus } from "lucide-react";
import { useState } from "react";
import { usePages } from "../../api/usePages";
import { useFilters } from "../../app/filters";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { MessageText } from "../../components/MessageText";
import { Page } from "../../components/Page";
import { SearchField } from "../../components/SearchField";
import { TimeText } from "../../components/TimeText";
import { type Template, TEMPLATES } from "./documents";
import { TemplateModal } from "./TemplateModal";

function columnsWith(edit: (template: Template) => void): Column<Template>[] {
  return [
    { header: "Name", cell: ({ name }) => name },
    { header: "Text", cell: ({ text }) => <MessageText text={text} lines={2} /> },
    { header: "Changed", cell: ({ updatedAt }) => <TimeText at={updatedAt} />, isWide: true },
    actionColumn([<Pencil size={16} aria-hidden />, (template) => `Change ${template.name}`, edit]),
  ];
}

/** Texts that are saved by name. */
export function TemplatesPage() {
  const [{ search = null }] = useFilters();
  const [edited, setEdited] = useState<Template | "new" | null>(null);
  const pages = usePages(TEMPLATES, { search }, (data) => data.templates);
  return (
    <Page
      title="Templates"
      description="Texts that you save by name and use for sends."
      actions={
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Add a template
        </Button>
      }
    >
      <SearchField label="Search the templates" />
      <DataTable
        label="Templates"
        pages={pages}
        columns={columnsWith(setEdited)}
        empty={
          <EmptyState title={search ? "No template matches" : "No templates yet"}>
            {search ? "Search for another name." : "Save a text that you send again and again."}
          </EmptyState>
        }
      />
      <TemplateModal
        key={edited === null || edited === "new" ? edited : edited.id}
        template={edited}
        onClose={() => setEdited(null)}
        onChange={pages.refresh}
      />
    </Page>
  );
}
