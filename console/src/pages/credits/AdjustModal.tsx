import { NumberInput, SegmentedControl, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { forgetKey, keyFor } from "../../api/keys";
import { useAction } from "../../api/useAction";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
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

  const whole = Number.isSafeInteger(Number(amount)) ? Math.max(Number(amount), 0) : 0;
  const units = direction === "give" ? whole : -whole;
  const { isBusy } = allocate;
  const failure = allocate.failure && { ...allocate.failure, field: allocate.failure.kind === "NETWORK" ? null : "units" };

  async function save() {
    if (!target) return undefined;
    const input = {
      units,
      ...(target.kind === "client" ? { clientId: target.id } : { groupId: target.id }),
      note: note.trim() || null,
    };
    const idempotencyKey = keyFor("allocation", JSON.stringify(input));
    const answer = await allocate.run({ input: { ...input, idempotencyKey } });
    if (answer.success) {
      forgetKey("allocation");
      const message = answer.success.transfer.description;
      notifications.show({ color: "green", title: target.name, message });
    }
    return answer;
  }

  if (!target) return null;
  const verb = direction === "give" ? "Give" : "Take back";
  return (
    <FormModal
      title={`Adjust the balance of ${target.name}`}
      form={{ isBusy, failure, names: ["units"] }}
      canSave={whole > 0}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
      verb={whole > 0 ? `${verb} ${inUnits(whole, target.unit)}` : verb}
    >
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
        thousandSeparator=","
        value={amount}
        onChange={setAmount}
        error={amount !== "" && whole === 0 ? "Enter a whole number above 0." : problemOf(failure, "units")}
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
    </FormModal>
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
