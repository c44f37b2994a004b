import { Paper, Text, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { MessageText } from "../../components/MessageText";
import { units } from "../../text/numbers";
import type { Template } from "../templates/documents";
import { TemplatePicker } from "./TemplatePicker";

/** The text of a send: written here, or of a template with values. */
export function useWords(text: string) {
  const [template, setTemplate] = useState<Template | null>(null);
  const [values, setValues] = useState<Record<string, string>>({});
  const given = template?.placeholders.map((name) => ({ name, value: values[name] ?? "" })) ?? [];
  const isComplete = template ? given.every(({ value }) => value.trim() !== "") : text !== "";
  const words = template ? { template: { name: template.name, values: given } } : { text };
  return { template, setTemplate, values, setValues, isComplete, words };
}

interface TextOrTemplateProps {
  text: string;
  onChange: (text: string) => void;
  chosen: ReturnType<typeof useWords>;
}

export function TextOrTemplate({ text, onChange, chosen }: TextOrTemplateProps) {
  const { template, setTemplate, values, setValues } = chosen;
  return (
    <>
      <TemplatePicker template={template} onPick={setTemplate} />
      {template ? (
        <>
          <Paper withBorder p="sm">
            <MessageText text={template.text} />
          </Paper>
          {template.placeholders.map((name) => (
            <TextInput
              key={name}
              label={`Value for ${name}`}
              required
              value={values[name] ?? ""}
              onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
            />
          ))}
        </>
      ) : (
        <>
          <Textarea
            dir="auto"
            label="Text"
            autosize
            minRows={4}
            maxRows={14}
            value={text}
            onChange={(event) => onChange(event.currentTarget.value)}
          />
          <Text size="xs" c="dimmed">
            {units([...text].length, "character")}
          </Text>
        </>
      )}
    </>
  );
}
