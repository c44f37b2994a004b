import { Button } from "@mantine/core";
import { Pencil, Plus } from "lucide-react";
import { useMemo, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { usePages } from "../../api/usePages";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { MessageText } from "../../components/MessageText";
import { Page } from "../../components/Page";
import { SearchField } from "../../components/SearchField";
import { TimeText } from "../../components/TimeText";
import { type Template, TEMPLATES } from "./documents";
import { TemplateModal } from "./TemplateModal";

const column = columnsOf<Template>();
const templatesOf = (data: ResultOf<typeof TEMPLATES>) => data.templates;
const idOf = (template: Template) => template.id;

function columnsWith(edit: (template: Template) => void) {
  return column.columns([
    column.accessor("name", { header: "Name" }),
    column.accessor("text", {
      header: "Text",
      cell: ({ getValue }) => <MessageText text={getValue()} lines={2} />,
    }),
    column.accessor("updatedAt", {
      header: "Changed",
      cell: ({ getValue }) => <TimeText at={getValue()} />,
      meta: { isWide: true },
    }),
    column.action(<Pencil size={16} aria-hidden />, (node) => `Change ${node.name}`, edit),
  ]);
}

/** Texts that are saved by name. */
export function TemplatesPage() {
  const [search, setSearch] = useState<string | null>(null);
  const [edited, setEdited] = useState<Template | "new" | null>(null);
  const pages = usePages(TEMPLATES, { search }, templatesOf, idOf);
  const columns = useMemo(() => columnsWith(setEdited), []);
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
      <SearchField label="Search the templates" onSearch={setSearch} />
      <DataTable
        label="Templates"
        pages={pages}
        columns={columns}
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
