import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { RefreshCw } from "lucide-react";
import { useAction } from "../../api/useAction";
import { signed, units } from "../../text/numbers";
import { SYNC } from "./documents";

/** Reads a provider's balance and sets its pool to it. Without an ID: the default account's. */
export function SyncButton({ providerAccountId = null }: { providerAccountId?: string | null }) {
  const sync = useAction(SYNC);

  async function run() {
    const { success, failure } = await sync.run({ providerAccountId });
    if (failure) {
      notifications.show({ color: "red", title: "Not synced", message: failure.message });
      return;
    }
    const platform = success.balances.platform;
    const pool = platform ? `The pool is ${units(platform.pool, platform.unit)}` : "The pool is set";
    notifications.show({
      color: "green",
      title: "Synced",
      message: `${pool}: ${success.change === 0 ? "nothing has changed" : `${signed(success.change)} by this reading`}.`,
    });
  }
  return (
    <Button
      variant="default"
      leftSection={<RefreshCw size={16} aria-hidden />}
      loading={sync.isBusy}
      onClick={() => void run()}
    >
      Sync
    </Button>
  );
}
