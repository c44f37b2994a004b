import type { DocumentInput } from "@urql/core";
import { useState } from "react";
import { type AnyVariables, type CombinedError, useClient } from "urql";
import { UNREACHABLE } from "./connection";

export interface Failure {
  message: string;
  /** The input's field, if the API names one. */
  field: string | null;
  /** The name of the error's type. */
  kind: string;
  /** If the outcome is unknown: the send that exists if it was carried out. */
  sendId?: string | null;
}

/** A value that is none of its type, in words for programmers. */
const UNREADABLE = /^Variable '\$\w+' has invalid value(?: at \.(\S+))?: (.*)$/;
const TYPES: [string, string][] = [
  ["Money", "Write it in digits, with a point before the decimals, such as 0.03: at most 6 decimals."],
  ["Int", "Write a whole number, at most 2,147,483,647."],
];

/** What a mutation answers if it succeeds: its errors are the members with a `message`. */
export type Success<Result> = Exclude<Result, { message: string }>;

type Answer<Result> = { success: Success<Result>; failure: null } | { success: null; failure: Failure };

/** A mutation whose field has the alias `result`. It never raises: a failure is a value. */
export function useAction<Data extends { result: unknown }, Variables extends AnyVariables>(
  mutation: DocumentInput<Data, Variables>,
) {
  const client = useClient();
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  async function run(variables: Variables): Promise<Answer<Data["result"]>> {
    setBusy(true);
    const { data, error } = await client.mutation(mutation, variables).toPromise();
    const answer = answerOf<Data["result"]>(data?.result, error);
    setFailure(answer.failure);
    setBusy(false);
    return answer;
  }
  return { run, isBusy, failure, clear: () => setFailure(null) };
}

export function failureOf(error: CombinedError): Failure {
  const refused = error.graphQLErrors[0];
  if (refused) {
    const kind = String(refused.extensions?.code ?? "ERROR");
    const [, field = null, unread] = UNREADABLE.exec(refused.message) ?? [];
    const message = unread ? (TYPES.find(([type]) => unread.startsWith(type))?.[1] ?? unread) : refused.message;
    return { message, field, kind };
  }
  return { message: UNREACHABLE, field: null, kind: "NETWORK" };
}

function answerOf<Result>(
  result: Result | undefined,
  error: CombinedError | undefined,
): Answer<Result> {
  if (error || result === undefined) {
    const unexpected = { message: "The server gave no answer. See if it was done, and try again if not.", field: null, kind: "ERROR" };
    return { success: null, failure: error ? failureOf(error) : unexpected };
  }
  // Few mutations answer with a number.
  if (typeof result !== "object" || result === null || !("message" in result)) {
    return { success: result as Success<Result>, failure: null };
  }
  const field = "field" in result && typeof result.field === "string" ? result.field : null;
  const kind = "__typename" in result ? String(result.__typename) : "ERROR";
  const sendId = "sendId" in result && typeof result.sendId === "string" ? result.sendId : null;
  return { success: null, failure: { message: String(result.message), field, kind, sendId } };
}
