// One WebSocket for all subscriptions of a tab. It reconnects by itself, for as long as it takes.
import { createClient, type Client } from "graphql-ws";
import { noteConnected, noteLost } from "./connection";
import { markRefused, freshToken, presentToken, sessionState } from "./session";

const FORBIDDEN = 4403;
const PING_MILLISECONDS = 10_000;
const PONG_MILLISECONDS = 5_000;
const FIRST_WAIT_MILLISECONDS = 250;
const LONGEST_WAIT_MILLISECONDS = 8_000;

export function createSocket(): Client {
  let socket: WebSocket | null = null;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let isDisposed = false;

  const client = createClient({
    url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    // An error here would end the client permanently: without a token the server closes the socket
    // with 4403, and the next try renews it.
    connectionParams: async () => {
      const accessToken = await freshToken().catch(() => presentToken());
      return accessToken === null ? {} : { Authorization: `Bearer ${accessToken}` };
    },
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => !isDisposed && sessionState() === "signed-in",
    retryWait: (retries) => pause(waitAfter(retries)),
    keepAlive: PING_MILLISECONDS,
    lazyCloseTimeout: 5_000,
    on: {
      opened: (opened) => {
        socket = opened as WebSocket;
      },
      connected: noteConnected,
      closed: (event) => {
        clearTimeout(silence);
        const { code, wasClean } = event as CloseEvent;
        if (code === FORBIDDEN) markRefused(presentToken());
        else if (!wasClean || code !== 1000) noteLost();
      },
      ping: (received) => {
        if (!received) silence = setTimeout(() => socket?.close(4408, "No answer"), PONG_MILLISECONDS);
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
    },
  });
  return {
    ...client,
    dispose: () => {
      isDisposed = true;
      return client.dispose();
    },
  };
}

function waitAfter(retries: number): number {
  const wait = Math.min(FIRST_WAIT_MILLISECONDS * 2 ** retries, LONGEST_WAIT_MILLISECONDS);
  return wait * (0.5 + Math.random() / 2); // many browsers must not come back at the same moment
}

/** Waits, but not longer than until the browser says that it is online again. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    window.addEventListener("online", end);
  });
}
