import type { DocumentInput } from "@urql/core";
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";
import { type AnyVariables, useQuery } from "urql";
import { onConnectionChange, reconnections } from "./connection";
import { failureOf } from "./useAction";
import { useRetry } from "./useRetry";

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
  // An answer that is under way may be older than the change, and urql would return it again.
  const isFetching = useRef(fetching);
  const isOutdated = useRef(false);
  isFetching.current = fetching || stale;
  // `reload` reads with the variables at the time of its call.
  const latest = useRef(execute);
  latest.current = execute;
  const reload = useCallback(() => {
    if (isFetching.current) isOutdated.current = true;
    else latest.current({ requestPolicy: "network-only" });
  }, []);
  useEffect(() => {
    if (fetching || stale || !isOutdated.current) return;
    isOutdated.current = false;
    execute({ requestPolicy: "network-only" });
  }, [fetching, stale, execute]);
  useRetry(error?.networkError && !options.isPaused ? error : null, reload);
  const count = useSyncExternalStore(onConnectionChange, reconnections);
  const seen = useRef(count);
  useEffect(() => {
    if (seen.current === count) return;
    seen.current = count;
    reload();
  }, [count, reload]);
  return {
    data,
    failure: error && !data ? failureOf(error) : null,
    isLoading: fetching && !data,
    /** An answer is under way: until it is here, `data` may be about other variables. */
    isFetching: fetching,
    isStale: stale,
    reload,
  };
}
