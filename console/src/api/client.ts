// The GraphQL client of a session: queries and mutations over HTTP, subscriptions over one socket.
import { authExchange } from "@urql/exchange-auth";
import type { FormattedExecutionResult, Sink } from "graphql-ws";
import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "urql";
import { UNREACHABLE } from "./connection";
import { markRefused, freshToken, isStale, presentToken, renew, sessionState } from "./session";
import { createSocket } from "./socket";

export interface Api {
  client: Client;
  close: () => void;
}

export function createApi(): Api {
  const socket = createSocket();
  const client = new Client({
    url: "/graphql",
    preferGetMethod: false,
    requestPolicy: "cache-and-network",
    exchanges: [
      cacheExchange,
      authExchange(async (utilities) => ({
        addAuthToOperation: (operation) => {
          const accessToken = presentToken();
          if (accessToken === null) return operation;
          return utilities.appendHeaders(operation, { Authorization: `Bearer ${accessToken}` });
        },
        willAuthError: () => sessionState() === "signed-in" && isStale(),
        didAuthError: ({ graphQLErrors }) => {
          const isRefused = graphQLErrors.some((e) => e.extensions?.code === "UNAUTHENTICATED");
          if (isRefused) markRefused(presentToken());
          return isRefused;
        },
        // Without a connection the operation itself fails, and says so.
        refreshAuth: () => renew().catch(() => undefined),
      })),
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables }) => ({
          subscribe: (sink) => {
            const own: Record<string, unknown> = { ...variables };
            return { unsubscribe: socket.subscribe({ query, variables: own }, resuming(own, sink)) };
          },
        }),
      }),
      fetchExchange,
    ],
  });
  return { client, close: () => void socket.dispose() };
}

/** Writes the last inbound message into the variables: after a reconnection the feed continues there. */
function resuming(variables: Record<string, unknown>, sink: Sink<FormattedExecutionResult>) {
  if (!("since" in variables)) return sink;
  return {
    ...sink,
    next: (value: FormattedExecutionResult) => {
      const { inboundMessage } = (value.data ?? {}) as { inboundMessage?: { id: string } };
      if (inboundMessage) variables.since = inboundMessage.id;
      sink.next(value);
    },
  };
}

/** Uploads a CSV or XLSX file. Raises Error with a sentence for the user. */
export async function uploadFile(file: File): Promise<Upload> {
  const headers = { "content-type": "application/octet-stream" };
  const response = await requested("/uploads", { method: "POST", headers, body: file });
  return response.json();
}

/** Reads a CSV file of the API. Raises Error with a sentence for the user. */
export async function fetchFile(path: string): Promise<Blob> {
  return (await requested(path, {})).blob();
}

async function requested(path: string, request: RequestInit): Promise<Response> {
  let response: Response;
  try {
    const authorization = `Bearer ${(await freshToken()) ?? ""}`;
    response = await fetch(path, { ...request, headers: { ...request.headers, authorization } });
  } catch {
    throw new Error(UNREACHABLE);
  }
  if (response.ok) return response;
  // The page of a proxy is no JSON.
  const answer = (await response.json().catch(() => ({}))) as { errors?: { message: string }[] };
  throw new Error(answer.errors?.[0]?.message ?? `The server refuses the file (${response.status}).`);
}

export interface Upload {
  uploadId: string;
  rows: number;
  columns: string[];
  /** The column of numbers that the header names clearly; null if it has to be chosen. */
  numberColumn: string | null;
  /** Several if they fit equally well; none if no name says it. */
  numberColumns: string[];
  /** All that hold phone numbers by their names. */
  phoneColumns: string[];
  /** The sheet that was read; null if the file was no spreadsheet. */
  sheet: string | null;
  otherSheets: string[];
  /** Rows of the sheet that were left out. */
  hiddenRows: number;
}
