import { NumberInput, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { problemOf } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { type ProviderAccount, SET_ROUTE } from "./documents";

interface RouteModalProps {
  accounts: ProviderAccount[];
  onClose: () => void;
  onChange: () => void;
}

const FIELDS = ["prefix", "poolId", "providerAccountId", "cost", "fallbackAccountId", "fallbackCost"];

/** Sets the route of a prefix, instead of the present one. */
export function RouteModal({ accounts, onClose, onChange }: RouteModalProps) {
  const own = accounts.filter(({ owner }) => owner === null);
  const choices = own.map(({ id, name, provider }) => ({ value: id, label: name ?? provider }));
  const [prefix, setPrefix] = useState("");
  const [pool, setPool] = useState(own.find(({ isDefault }) => isDefault)?.id ?? null);
  const [account, setAccount] = useState<string | null>(null);
  const [cost, setCost] = useState<number | string>(1);
  const [fallback, setFallback] = useState<string | null>(null);
  const [fallbackCost, setFallbackCost] = useState<number | string>(1);
  const set = useAction(SET_ROUTE);

  async function submit() {
    if (!account) return;
    const { success } = await set.run({
      input: {
        prefix,
        poolId: pool,
        providerAccountId: account,
        cost: Number(cost),
        ...(fallback && { fallbackAccountId: fallback, fallbackCost: Number(fallbackCost) }),
      },
    });
    if (!success) return;
    onChange();
    onClose();
  }

  return (
    <FormModal
      title="Set a route"
      isBusy={set.isBusy}
      canSave={account !== null}
      failure={set.failure}
      fields={FIELDS}
      onClose={onClose}
      onSave={submit}
    >
      <TextInput
        label="Prefix"
        description="The first digits of the numbers, such as 256."
        required
        value={prefix}
        onChange={(event) => setPrefix(event.currentTarget.value)}
        error={problemOf(set.failure, "prefix")}
      />
      <Select
        label="Clients of"
        data={choices}
        value={pool}
        onChange={setPool}
        allowDeselect={false}
        error={problemOf(set.failure, "poolId")}
      />
      <Select
        label="Sent by"
        required
        data={choices}
        value={account}
        onChange={setAccount}
        error={problemOf(set.failure, "providerAccountId")}
      />
      <NumberInput
        label="Cost of a message"
        min={0}
        allowDecimal={false}
        value={cost}
        onChange={setCost}
        error={problemOf(set.failure, "cost")}
      />
      <Select
        label="Fallback"
        description="Only for messages that the first account has certainly not sent."
        clearable
        data={choices}
        value={fallback}
        onChange={setFallback}
        error={problemOf(set.failure, "fallbackAccountId")}
      />
      {fallback && (
        <NumberInput
          label="Cost at the fallback"
          min={0}
          allowDecimal={false}
          value={fallbackCost}
          onChange={setFallbackCost}
          error={problemOf(set.failure, "fallbackCost")}
        />
      )}
    </FormModal>
  );
}
