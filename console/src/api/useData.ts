import type { DocumentInput } from "@urql/core";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { type AnyVariables, useQuery } from "urql";
import { connectionEpoch, onConnectionChange } from "./connection";
import { failureOf } from "./useAction";

/** The answer of a query. It is read again after mutations of its types, and reconnections. */
export function useData<Data, Variables extends AnyVariables>(
  query: DocumentInput<Data, Variables>,
  variables: Variables,
  options: { isPaused?: boolean; types?: string[] } = {},
) {
  const types = useRef(options.types);
  const context = useRef({ additionalTypenames: types.current });
  const [{ data, error, fetching, stale }, execute] = useQuery<Data, Variables>({
    query,
    variables,
    pause: options.isPaused ?? false,
    context: context.current,
  } as Parameters<typeof useQuery<Data, Variables>>[0]);
  const epoch = useSyncExternalStore(onConnectionChange, connectionEpoch);
  const seen = useRef(epoch);
  useEffect(() => {
    if (seen.current === epoch) return;
    seen.current = epoch;
    execute({ requestPolicy: "network-only" });
  }, [epoch, execute]);
  return {
    data,
    failure: error && !data ? failureOf(error) : null,
    isLoading: fetching && !data,
    isStale: stale,
    reload: () => execute({ requestPolicy: "network-only" }),
  };
}
