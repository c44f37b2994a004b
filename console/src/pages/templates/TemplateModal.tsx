import { Textarea, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { DELETE_TEMPLATE, SAVE_TEMPLATE, type Template } from "./documents";

interface TemplateModalProps {
  template: Template | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

/** Adds, changes or deletes one template. */
export function TemplateModal({ template, onClose, onChange }: TemplateModalProps) {
  const known = template === "new" ? null : template;
  const save = useAction(SAVE_TEMPLATE);
  const remove = useAction(DELETE_TEMPLATE);
  const form = useForm(
    { name: known?.name ?? "", text: known?.text ?? "" },
    save,
    template === null ? undefined : `template-${known?.id ?? "new"}`,
  );
  return (
    <FormModal
      title={known ? "Change the template" : "Add a template"}
      isOpen={template !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={() => save.run({ input: form.values })}
      remove={known && { ...remove, run: () => remove.run({ id: known.id }) }}
    >
      <TextInput
        label="Name"
        description={known ? null : "If there is a template of this name, its text is replaced."}
        required
        maxLength={100}
        disabled={known !== null}
        {...form.text("name")}
      />
      <Textarea
        dir="auto"
        label="Text"
        description="{{name}} is replaced by a value that is given when the text is sent."
        required
        autosize
        minRows={4}
        {...form.text("text")}
      />
    </FormModal>
  );
}
