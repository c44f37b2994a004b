import { Button, Group, Modal, Stack } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Failure } from "../api/useAction";
import { FailureNote } from "./FailureNote";
import { useReturnFocus } from "./useReturnFocus";

/** The result of an action; undefined if it was not tried. */
type Outcome = Promise<{ success: unknown } | undefined>;

interface FormModalProps {
  title: string;
  isOpen?: boolean;
  /** What `useForm` returns, or the same about an action. */
  form: {
    isBusy: boolean;
    failure: Failure | null;
    names?: string[];
    hasDraft?: boolean;
    forget?: () => void;
  };
  /** False if something is missing that the browser does not check. */
  canSave?: boolean;
  onClose: () => void;
  /** Called after a success, before the modal closes. */
  onChange?: () => void;
  onSave: () => Outcome;
  /** The word on the button. */
  verb?: string;
  /** It asks before something that cannot be undone. */
  isFinal?: boolean;
  /** Deletes the object that is edited. It asks once more. */
  remove?: { isBusy: boolean; failure: Failure | null; run: () => Outcome } | null;
  /** What is below the form. */
  below?: ReactNode;
  children: ReactNode;
}

/** A form in a modal, with its failure and its buttons. It closes after a success. */
export function FormModal(props: FormModalProps) {
  const { form, remove, isOpen = true } = props;
  const [isSure, setSure] = useState(false);
  const [isTyped, setTyped] = useState(form.hasDraft ?? false);
  useReturnFocus(isOpen);

  function close() {
    form.forget?.();
    setTyped(false);
    props.onClose();
  }

  async function finish(outcome: Outcome) {
    const answer = await outcome;
    // 0 is a success, too.
    if (!answer || answer.success === null) return;
    props.onChange?.();
    close();
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void finish(props.onSave());
  }

  return (
    <Modal
      opened={isOpen}
      onClose={close}
      title={props.title}
      centered
      // A click beside the form must not throw away what was typed, and neither must Escape.
      closeOnClickOutside={false}
      closeOnEscape={!isTyped}
    >
      <form onSubmit={submit} onInput={() => setTyped(true)}>
        <Stack>
          {props.children}
          <FailureNote failure={form.failure ?? remove?.failure ?? null} fields={form.names} />
          <Group justify={remove ? "space-between" : "flex-end"}>
            {remove && (
              <Button
                variant="subtle"
                color="red"
                loading={remove.isBusy}
                onClick={() => (isSure ? void finish(remove.run()) : setSure(true))}
              >
                {isSure ? "Delete it for ever" : "Delete"}
              </Button>
            )}
            <Group>
              <Button variant="default" onClick={close}>
                {props.isFinal ? "Keep it" : "Close"}
              </Button>
              <Button
                type="submit"
                color={props.isFinal ? "red" : undefined}
                loading={form.isBusy}
                disabled={props.canSave === false}
              >
                {props.verb ?? "Save"}
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
      {props.below}
    </Modal>
  );
}
