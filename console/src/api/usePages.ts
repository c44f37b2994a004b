import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { type AnyVariables, type DocumentInput, useClient } from "urql";
import { onConnectionChange, reconnections } from "./connection";
import { type Failure, failureOf } from "./useAction";
import { useRetry } from "./useRetry";

export interface Connection<Node> {
  nodes: Node[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  totalCount?: number | null;
}

export interface Pages<Node> {
  items: Node[];
  total: number | null;
  isLoading: boolean;
  hasMore: boolean;
  failure: Failure | null;
  loadMore: () => void;
  /** Reads the newest page again and keeps what is below it. */
  refresh: () => void;
  /** Replaces the items that are in the list, each by its last version. Returns whether all were in it. */
  replace: (changed: Node[]) => boolean;
  /** All items, also those of pages that are not in the list yet. Raises what urql raises. */
  readAll: () => Promise<Node[]>;
}

interface State<Node> {
  items: Node[];
  total: number | null;
  cursor: string | null;
  hasMore: boolean;
  isLoading: boolean;
  failure: Failure | null;
}

const PAGE_SIZE = 50;
const LARGEST_PAGE = 100;
const REFRESH_MILLISECONDS = 500;

/** A list that is read page by page, as far as the user scrolls. */
export function usePages<Data, Variables extends AnyVariables, Node>(
  query: DocumentInput<Data, Variables>,
  variables: Omit<Variables, "first" | "after">,
  select: (data: Data) => Connection<Node>,
  keyOf: (node: Node) => string = idOf,
): Pages<Node> {
  const client = useClient();
  const key = JSON.stringify(variables);
  const [state, setState] = useState<State<Node>>(empty<Node>);
  const present = useRef({ key, state, isReading: false, isOutdated: false });
  present.current.state = state;
  // The latest ones: callers write them in place, so they are new each time.
  const functions = useRef({ select, keyOf });
  functions.current = { select, keyOf };
  const count = useSyncExternalStore(onConnectionChange, reconnections);

  const read = useCallback(
    async (kind: "first" | "refresh" | "more") => {
      if (present.current.key !== key) return;
      if (present.current.isReading) {
        // An answer that is under way may be older than the change, and urql would return it again.
        if (kind !== "more") present.current.isOutdated = true;
        return;
      }
      present.current = { ...present.current, isReading: true, isOutdated: false };
      const after = kind === "more" ? present.current.state.cursor : null;
      const given = { ...JSON.parse(key), first: PAGE_SIZE, after } as Variables;
      const { data, error } = await client
        .query(query, given, { requestPolicy: "network-only" })
        .toPromise();
      if (present.current.key !== key) return; // another search has begun meanwhile
      present.current.isReading = false;
      setState((old) => {
        if (!data) return { ...old, isLoading: false, failure: error ? failureOf(error) : null };
        return merged(old, functions.current.select(data), kind, functions.current.keyOf);
      });
      if (present.current.isOutdated) void read("refresh");
    },
    [client, query, key],
  );

  useEffect(() => {
    const isNew = present.current.key !== key;
    if (isNew) {
      present.current = { ...present.current, key, isReading: false, isOutdated: false };
      setState(empty<Node>);
    }
    void read(isNew || present.current.state.items.length === 0 ? "first" : "refresh");
  }, [key, count, read]);

  const latest = useRef(read);
  latest.current = read;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const refresh = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      // Another search may have begun since the timer was set.
      void latest.current("refresh");
    }, REFRESH_MILLISECONDS);
  }, []);

  const replace = useCallback((changed: Node[]) => {
    const keyOfNode = functions.current.keyOf;
    const byKey = new Map(changed.map((node) => [keyOfNode(node), node]));
    const known = present.current.state.items.filter((node) => byKey.has(keyOfNode(node))).length;
    if (known > 0) {
      setState((old) => ({
        ...old,
        items: old.items.map((node) => byKey.get(keyOfNode(node)) ?? node),
      }));
    }
    return known === byKey.size;
  }, []);
  useRetry(state.failure?.kind === "NETWORK" ? state.failure : null, refresh);
  const loadMore = useCallback(() => void read("more"), [read]);

  async function readAll(): Promise<Node[]> {
    const items: Node[] = [];
    let after: string | null = null;
    for (;;) {
      const given = { ...variables, first: LARGEST_PAGE, after } as unknown as Variables;
      const { data, error } = await client
        .query(query, given, { requestPolicy: "network-only" })
        .toPromise();
      if (!data) throw error ?? new Error("no answer");
      const { nodes, pageInfo } = select(data);
      items.push(...nodes);
      if (!pageInfo.hasNextPage) return items;
      after = pageInfo.endCursor;
    }
  }
  return { ...state, loadMore, refresh, replace, readAll };
}

/** The ID of a node of the API. A node without one needs its own `keyOf`. */
function idOf(node: unknown): string {
  return (node as { id: string }).id;
}

function empty<Node>(): State<Node> {
  return { items: [], total: null, cursor: null, hasMore: false, isLoading: true, failure: null };
}

function merged<Node>(
  old: State<Node>,
  page: Connection<Node>,
  kind: "first" | "refresh" | "more",
  keyOf: (node: Node) => string,
): State<Node> {
  const { hasNextPage, endCursor } = page.pageInfo;
  const total = page.totalCount ?? null;
  const top = { cursor: endCursor, hasMore: hasNextPage, isLoading: false, failure: null, total };
  if (kind === "more") {
    const known = new Set(old.items.map(keyOf));
    return { ...top, items: [...old.items, ...page.nodes.filter((node) => !known.has(keyOf(node)))] };
  }
  const last = page.nodes.at(-1);
  const joint = last && kind === "refresh" ? old.items.findIndex((node) => keyOf(node) === keyOf(last)) : -1;
  if (joint < 0 || joint === old.items.length - 1) return { ...top, items: page.nodes };
  return { ...old, failure: null, total, items: [...page.nodes, ...old.items.slice(joint + 1)] };
}
