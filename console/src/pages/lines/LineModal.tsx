import { TagsInput, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { type Line, SET_ROUTE } from "./documents";

/** Sets a line by hand: it overrides what has been learned. */
export function LineModal({ line, onClose }: { line: Line | "new" | null; onClose: () => void }) {
  const known = line === "new" ? null : line;
  const set = useAction(SET_ROUTE);
  const form = useForm(
    {
      modem: known?.modem ?? "",
      port: known?.port ?? "",
      clientId: known?.client.id ?? null,
      assignedNumbers: known?.assignedNumbers ?? [],
    },
    set,
  );

  async function save() {
    const { clientId, ...rest } = form.values;
    return clientId ? set.run({ input: { clientId, ...rest } }) : undefined;
  }

  return (
    <FormModal
      title={known ? "Change the line" : "Set a line"}
      isOpen={line !== null}
      canSave={form.values.clientId !== null}
      form={form}
      onClose={onClose}
      onSave={save}
    >
      <TextInput label="Modem" required disabled={known !== null} {...form.text("modem")} />
      <TextInput label="Port" required disabled={known !== null} {...form.text("port")} />
      <ClientPicker withLabel {...form.value("clientId")} />
      <TagsInput
        label="Numbers of this line"
        description="Press Enter after each."
        {...form.value("assignedNumbers")}
      />
    </FormModal>
  );
}
