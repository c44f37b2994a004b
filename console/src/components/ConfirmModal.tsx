import { Button, Group, Modal, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import type { Failure } from "../api/useAction";
import { FailureNote } from "./FailureNote";

interface ConfirmModalProps {
  title: string;
  /** What the button does: a verb. */
  verb: string;
  isOpen: boolean;
  isBusy: boolean;
  failure: Failure | null;
  onClose: () => void;
  onConfirm: () => void;
  children: ReactNode;
}

/** Asks before something that cannot be undone. */
export function ConfirmModal(props: ConfirmModalProps) {
  return (
    <Modal opened={props.isOpen} onClose={props.onClose} title={props.title} centered>
      <Stack>
        {props.children}
        <FailureNote failure={props.failure} />
        <Group justify="flex-end">
          <Button variant="default" onClick={props.onClose}>
            Keep it
          </Button>
          <Button color="red" loading={props.isBusy} onClick={props.onConfirm}>
            {props.verb}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
