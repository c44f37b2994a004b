import { Switch, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { type Contact, DELETE, SAVE } from "./documents";

interface ContactModalProps {
  contact: Contact | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

/** Adds, changes or deletes one contact, and opts it out by hand. */
export function ContactModal({ contact, onClose, onChange }: ContactModalProps) {
  const known = contact === "new" ? null : contact;
  const save = useAction(SAVE);
  const remove = useAction(DELETE);
  const { isBusy } = save;
  const failure =
    save.failure?.kind === "InvalidPhoneNumber"
      ? { ...save.failure, field: "number" }
      : save.failure;
  const form = useForm(
    {
      number: known?.number ?? "",
      name: known?.name ?? "",
      business: known?.business ?? "",
      optedOut: known?.optedOut ?? false,
    },
    { isBusy, failure },
    contact === null ? undefined : `contact-${known?.id ?? "new"}`,
  );

  function submit() {
    const { number, name, business, optedOut } = form.values;
    const cleared = known ? null : undefined;
    return save.run({
      input: {
        number,
        // The number that is added may be known: what is left empty here is not cleared there.
        name: name.trim() || cleared,
        business: business.trim() || cleared,
        // An opt-out is only sent along if it is changed here.
        optedOut: optedOut === (known?.optedOut ?? false) ? null : optedOut,
      },
    });
  }

  return (
    <FormModal
      title={known ? "Edit the contact" : "Add a contact"}
      isOpen={contact !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={submit}
      remove={known && { ...remove, run: () => remove.run({ id: known.id }) }}
    >
      <TextInput
        label="Number"
        required
        disabled={known !== null}
        inputMode="tel"
        data-autofocus={known === null || undefined}
        {...form.text("number")}
      />
      <TextInput label="Name" data-autofocus={known !== null || undefined} {...form.text("name")} />
      <TextInput label="Business" {...form.text("business")} />
      <Switch
        label="Opted out"
        description="Nothing is sent to this number any more, and what is queued is cancelled."
        {...form.checked("optedOut")}
      />
    </FormModal>
  );
}
