import { Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useAction } from "../../api/useAction";
import { FailureNote, problemOf } from "../../components/FailureNote";
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

  async function submit(event: FormEvent) {
    event.preventDefault();
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
    <Modal
      opened={template !== null}
      onClose={onClose}
      title={known ? "Change the template" : "Add a template"}
      centered
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
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
          <FailureNote failure={save.failure ?? remove.failure} fields={["name"]} />
          <Group justify="space-between">
            {known ? (
              <Button variant="subtle" color="red" loading={remove.isBusy} onClick={() => void erase()}>
                Delete
              </Button>
            ) : (
              <span />
            )}
            <Group>
              <Button variant="default" onClick={onClose}>
                Close
              </Button>
              <Button type="submit" loading={save.isBusy}>
                Save
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
