import type { DocumentInput } from "@urql/core";
import { useState } from "react";
import { useClient } from "urql";
import { type Failure, failureOf } from "../../api/useAction";

/** A mutation that answers with a number, not with a union. `run` says whether it succeeded. */
export function useEndOthers(mutation: DocumentInput<{ endOtherSessions: number }, object>) {
  const client = useClient();
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  async function run(): Promise<boolean> {
    setBusy(true);
    const { error } = await client.mutation(mutation, {}).toPromise();
    setBusy(false);
    setFailure(error ? failureOf(error) : null);
    return !error;
  }
  return { run, isBusy, failure };
}
