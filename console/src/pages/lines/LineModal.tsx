import { TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { ClientPicker } from "../../components/ClientPicker";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { type Line, SET_ROUTE } from "./documents";

/** Sets a line by hand: it overrides what has been learned. */
export function LineModal({ line, onClose }: { line: Line | "new" | null; onClose: () => void }) {
  const known = line === "new" ? null : line;
  const [modem, setModem] = useState(known?.modem ?? "");
  const [port, setPort] = useState(known?.port ?? "");
  const [clientId, setClientId] = useState<string | null>(known?.client.id ?? null);
  const [numbers, setNumbers] = useState<string[]>(known?.assignedNumbers ?? []);
  const set = useAction(SET_ROUTE);

  async function submit() {
    if (!clientId) return;
    const { success } = await set.run({ input: { modem, port, clientId, assignedNumbers: numbers } });
    if (success) onClose();
  }

  return (
    <FormModal
      title={known ? "Change the line" : "Set a line"}
      isOpen={line !== null}
      isBusy={set.isBusy}
      canSave={clientId !== null}
      failure={set.failure}
      fields={["modem", "port", "clientId", "assignedNumbers"]}
      onClose={onClose}
      onSave={submit}
    >
      <TextInput
        label="Modem"
        required
        value={modem}
        onChange={(event) => setModem(event.currentTarget.value)}
        error={problemOf(set.failure, "modem")}
        disabled={known !== null}
      />
      <TextInput
        label="Port"
        required
        value={port}
        onChange={(event) => setPort(event.currentTarget.value)}
        error={problemOf(set.failure, "port")}
        disabled={known !== null}
      />
      <ClientPicker
        withLabel
        value={clientId}
        onChange={setClientId}
        error={problemOf(set.failure, "clientId")}
      />
      <TagsInput
        label="Numbers of this line"
        description="Press Enter after each."
        value={numbers}
        onChange={setNumbers}
        error={problemOf(set.failure, "assignedNumbers")}
      />
    </FormModal>
  );
}
