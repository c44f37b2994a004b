import { Select } from "@mantine/core";
import { useData } from "../../api/useData";
import { TextLink } from "../../components/links";
import { type Template, TEMPLATES } from "../templates/documents";

const MOST_SHOWN = 100;

interface TemplatePickerProps {
  template: Template | null;
  onPick: (template: Template | null) => void;
}

/** Chooses one of the saved texts. Nothing is shown if there is none. */
export function TemplatePicker({ template, onPick }: TemplatePickerProps) {
  const { data } = useData(TEMPLATES, { first: MOST_SHOWN }, { types: ["Template"] });
  const templates = data?.templates.nodes ?? [];
  if (templates.length === 0) return <TextLink to="/templates">Save texts as templates</TextLink>;
  return (
    <Select
      label="Template"
      placeholder="None: write the text here"
      data={templates.map(({ id, name }) => ({ value: id, label: name }))}
      value={template?.id ?? null}
      onChange={(id) => onPick(templates.find((each) => each.id === id) ?? null)}
      searchable
      clearable
    />
  );
}
