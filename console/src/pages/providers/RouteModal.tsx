import { NumberInput, Select, TextInput } from "@mantine/core";
import { useAction } from "../../api/useAction";
import { FormModal } from "../../components/FormModal";
import { useForm } from "../../components/useForm";
import { type ProviderAccount, SET_ROUTE } from "./documents";

interface RouteModalProps {
  accounts: ProviderAccount[];
  onClose: () => void;
  onChange: () => void;
}

/** Sets the route of a prefix, and replaces the present one. */
export function RouteModal({ accounts, onClose, onChange }: RouteModalProps) {
  const own = accounts.filter(({ owner }) => owner === null);
  const choices = own.map(({ id, name, provider }) => ({ value: id, label: name ?? provider }));
  const set = useAction(SET_ROUTE);
  const form = useForm(
    {
      prefix: "",
      poolId: own.find(({ isDefault }) => isDefault)?.id ?? "",
      providerAccountId: null as string | null,
      cost: 1 as number | string,
      fallbackAccountId: null as string | null,
      fallbackCost: 1 as number | string,
    },
    set,
  );
  const { providerAccountId, fallbackAccountId } = form.values;

  async function save() {
    const { prefix, poolId, cost, fallbackCost } = form.values;
    if (!providerAccountId) return;
    return set.run({
      input: {
        prefix,
        poolId: poolId || null,
        providerAccountId,
        cost: Number(cost),
        ...(fallbackAccountId && { fallbackAccountId, fallbackCost: Number(fallbackCost) }),
      },
    });
  }

  return (
    <FormModal
      title="Set a route"
      canSave={providerAccountId !== null}
      form={form}
      onClose={onClose}
      onChange={onChange}
      onSave={save}
    >
      <TextInput
        label="Prefix"
        description="The first digits of the numbers, such as 256."
        required
        {...form.text("prefix")}
      />
      <Select label="Clients of" data={choices} {...form.choice("poolId")} />
      <Select label="Sent by" required data={choices} {...form.value("providerAccountId")} />
      <NumberInput label="Cost of a message" min={0} {...form.value("cost")} />
      <Select
        label="Fallback"
        description="Only for messages that the first account has certainly not sent."
        clearable
        data={choices}
        {...form.value("fallbackAccountId")}
      />
      {fallbackAccountId && (
        <NumberInput
          label="Cost at the fallback"
          min={0}
          {...form.value("fallbackCost")}
        />
      )}
    </FormModal>
  );
}
