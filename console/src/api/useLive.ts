import { useEffect, useRef } from "react";
import { type AnyVariables, type DocumentInput, useClient } from "urql";
import { subscribe } from "wonka";

const FLUSH_MILLISECONDS = 150;

/** Calls `onEvents` with what a subscription has sent, a few times a second at most. */
export function useLive<Data, Variables extends AnyVariables>(
  subscription: DocumentInput<Data, Variables>,
  variables: Variables,
  onEvents: (events: Data[]) => void,
  options: { isPaused?: boolean } = {},
): void {
  const client = useClient();
  const latest = useRef(onEvents);
  latest.current = onEvents;
  const key = JSON.stringify(variables);
  const isPaused = options.isPaused ?? false;

  useEffect(() => {
    if (isPaused) return;
    let waiting: Data[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      timer = undefined;
      const events = waiting;
      waiting = [];
      latest.current(events);
    };
    const source = client.subscription(subscription, JSON.parse(key) as Variables);
    const { unsubscribe } = subscribe(({ data }: { data?: Data }) => {
      if (data === undefined || data === null) return;
      waiting.push(data);
      timer ??= setTimeout(flush, FLUSH_MILLISECONDS);
    })(source);
    return () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }, [client, subscription, key, isPaused]);
}
