import { Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { type Contact, DELETE, SAVE } from "./documents";

interface ContactModalProps {
  contact: Contact | "new" | null;
  onClose: () => void;
  onChange: () => void;
}

/** Adds, changes or deletes one contact, and opts it out by hand. */
export function ContactModal({ contact, onClose, onChange }: ContactModalProps) {
  const known = contact === "new" ? null : contact;
  const [number, setNumber] = useState(known?.number ?? "");
  const [name, setName] = useState(known?.name ?? "");
  const [business, setBusiness] = useState(known?.business ?? "");
  const [optedOut, setOptedOut] = useState(known?.optedOut ?? false);
  const save = useAction(SAVE);
  const remove = useAction(DELETE);

  async function submit() {
    const { success } = await save.run({
      input: {
        number,
        name: name.trim() || null,
        business: business.trim() || null,
        // An opt-out is only sent along if it is changed here.
        optedOut: optedOut === (known?.optedOut ?? false) ? null : optedOut,
      },
    });
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

  const isNumberWrong = save.failure?.kind === "InvalidPhoneNumber";
  return (
    <FormModal
      title={known ? "Edit the contact" : "Add a contact"}
      isOpen={contact !== null}
      isBusy={save.isBusy}
      failure={isNumberWrong ? null : (save.failure ?? remove.failure)}
      onClose={onClose}
      onSave={submit}
      remove={known && { isBusy: remove.isBusy, run: erase }}
    >
      <TextInput
        label="Number"
        required
        value={number}
        onChange={(event) => setNumber(event.currentTarget.value)}
        error={isNumberWrong ? save.failure?.message : null}
        disabled={known !== null}
        inputMode="tel"
        data-autofocus
      />
      <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <TextInput
        label="Business"
        value={business}
        onChange={(event) => setBusiness(event.currentTarget.value)}
      />
      <Switch
        label="Opted out"
        description="Nothing is sent to this number any more, and what is queued is cancelled."
        checked={optedOut}
        onChange={(event) => setOptedOut(event.currentTarget.checked)}
      />
    </FormModal>
  );
}
