import { createContext, type ReactNode, useContext, useState } from "react";
import { graphql, type ResultOf } from "../api/graphql";
import { useLive } from "../api/useLive";

const BALANCES = graphql(`
  subscription Balances {
    balanceUpdated {
      version
      account {
        accountId
        unit
        balance
        valueUsd
        ratePerUnitUsd
        pricePerMessage
        lowBalanceThreshold
        isLow
      }
      group {
        groupId
        name
        unit
        balance
        unallocated
      }
      platform {
        unit
        pool
        allocated
        remaining
        inFlight
        providerBalance
        lastSyncedAt
        state
        alarms {
          kind
          message
          since
          count
        }
      }
    }
  }
`);

export type Balances = ResultOf<typeof BALANCES>["balanceUpdated"];

const BalancesContext = createContext<Balances | null>(null);

/** The viewer's balances, pushed by the server after every change. */
export function BalancesProvider({ children }: { children: ReactNode }) {
  const [balances, setBalances] = useState<Balances | null>(null);
  useLive(BALANCES, {}, (events) => {
    const next = events.at(-1)?.balanceUpdated;
    if (!next) return;
    // Versions never decrease: balances with a smaller version than the shown ones have come late.
    setBalances((present) => (present && next.version < present.version ? present : next));
  });
  return <BalancesContext value={balances}>{children}</BalancesContext>;
}

/** Null until the first balances have arrived. */
export function useBalances(): Balances | null {
  return useContext(BalancesContext);
}

/** Whether the viewer's client has its own provider account: a school. */
export function ownsProviderAccount(balances: Balances | null): boolean {
  return Boolean(balances?.account && balances.platform);
}
