import { useEffect } from "react";

const RETRY_MILLISECONDS = 4_000;

/**
 * Reads again after a failure of the network, until it succeeds. A short interruption ends no socket, so
 * nothing else would say that it is over. `failure`: a new object each time, or null.
 */
export function useRetry(failure: object | null, again: () => void): void {
  useEffect(() => {
    if (!failure) return;
    const timer = setTimeout(again, RETRY_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [failure, again]);
}
