import { Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { DELETE_TEMPLATE, SAVE_TEMPLATE, type Template } from "./documents";

interface TemplateModalProps {
  template: Template | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

/** Adds, changes or deletes one template. */
export function TemplateModal({ template, onClose, onChange }: TemplateModalProps) {
  const known = template === "new" ? null : template;
  const [name, setName] = useState(known?.name ?? "");
  const [text, setText] = useState(known?.text ?? "");
  const save = useAction(SAVE_TEMPLATE);
  const remove = useAction(DELETE_TEMPLATE);

  async function submit() {
    const { success } = await save.run({ input: { name, text } });
    if (success) done();
  }

  async function erase() {
    if (!known) return;
    const { success } = await remove.run({ id: known.id });
    if (success) done();
  }

  function done() {
    onChange();
    onClose();
  }

  return (
    <FormModal
      title={known ? "Change the template" : "Add a template"}
      isOpen={template !== null}
      isBusy={save.isBusy}
      failure={save.failure ?? remove.failure}
      fields={["name"]}
      onClose={onClose}
      onSave={submit}
      remove={known && { isBusy: remove.isBusy, run: erase }}
    >
      <TextInput
        label="Name"
        required
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={problemOf(save.failure, "name")}
        disabled={known !== null}
      />
      <Textarea
        label="Text"
        description="{{name}} is replaced by a value that is given when the text is sent."
        required
        autosize
        minRows={4}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
    </FormModal>
  );
}
