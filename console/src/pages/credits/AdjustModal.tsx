import { Button, Group, Modal, NumberInput, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, useState } from "react";
import { forgetKey, keyFor } from "../../api/keys";
import { useAction } from "../../api/useAction";
import { FailureNote, problemOf } from "../../components/FailureNote";
import { count, units as inUnits, usd, valueOf } from "../../text/numbers";
import { ALLOCATE } from "./documents";

/** Whose balance is adjusted: a client's or a group's. */
export interface Target {
  kind: "client" | "group";
  id: string;
  name: string;
  balance: number | null;
  unit: string;
  ratePerUnitUsd: string | null;
}

interface AdjustModalProps {
  target: Target | null;
  onClose: () => void;
  onChange: () => void;
}

/** Gives units, or takes them back. The value in USD is a label: 5000 × 0.03 = 150.00. */
export function AdjustModal({ target, onClose, onChange }: AdjustModalProps) {
  const [direction, setDirection] = useState<"give" | "take">("give");
  const [amount, setAmount] = useState<number | string>("");
  const [note, setNote] = useState("");
  const allocate = useAction(ALLOCATE);

  const whole = typeof amount === "number" && Number.isSafeInteger(amount) ? amount : 0;
  const units = direction === "give" ? whole : -whole;

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (!target) return;
    const input = {
      units,
      ...(target.kind === "client" ? { clientId: target.id } : { groupId: target.id }),
      note: note.trim() || null,
    };
    const idempotencyKey = keyFor("allocation", JSON.stringify(input));
    const { success } = await allocate.run({ input: { ...input, idempotencyKey } });
    if (!success) return;
    forgetKey("allocation");
    notifications.show({ color: "green", title: target.name, message: success.transfer.description });
    onChange();
    onClose();
  }

  const isAboutUnits = allocate.failure?.kind !== "NETWORK" && allocate.failure !== null;
  return (
    <Modal opened={target !== null} onClose={onClose} title={`Adjust the balance of ${target?.name ?? ""}`} centered>
      {target && (
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            {target.balance !== null && <Text>Present balance: {inUnits(target.balance, target.unit)}</Text>}
            <SegmentedControl
              aria-label="Direction"
              value={direction}
              onChange={(value) => setDirection(value as typeof direction)}
              data={[
                { value: "give", label: "Give" },
                { value: "take", label: "Take back" },
              ]}
            />
            <NumberInput
              label="Units"
              required
              min={1}
              allowDecimal={false}
              allowNegative={false}
              thousandSeparator=","
              value={amount}
              onChange={setAmount}
              error={problemOf(allocate.failure, "units") ?? (isAboutUnits ? allocate.failure?.message : null)}
              data-autofocus
            />
            <Value units={whole} rate={target.ratePerUnitUsd} />
            <TextInput
              label="Note"
              description="Shown in the statement."
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
              maxLength={200}
            />
            <FailureNote failure={isAboutUnits ? null : allocate.failure} />
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                Close
              </Button>
              <Button type="submit" loading={allocate.isBusy} disabled={whole === 0}>
                {direction === "give" ? "Give" : "Take back"} {whole > 0 ? inUnits(whole, target.unit) : ""}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function Value({ units, rate }: { units: number; rate: string | null }) {
  if (rate === null) {
    return (
      <Text size="sm" c="dimmed">
        No rate is set, so no value in USD is computed.
      </Text>
    );
  }
  const value = valueOf(units, rate);
  return (
    <Text size="sm" role="status">
      {count(units)} × {rate} = <b>{value === null ? "–" : usd(value)}</b>
    </Text>
  );
}
