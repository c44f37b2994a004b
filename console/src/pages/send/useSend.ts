import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { type AnyVariables, type DocumentInput } from "urql";
import { useAction } from "../../api/useAction";
import { newKey } from "../../text/keys";

/**
 * Sends, then opens the send. The same content keeps its key, so that pressing the button again
 * after a lost connection never sends twice.
 */
export function useSend<
  Data extends { result: object },
  Input extends object,
  Variables extends AnyVariables & { input: Input & { idempotencyKey?: string | null } },
>(mutation: DocumentInput<Data, Variables>) {
  const navigate = useNavigate();
  const action = useAction(mutation);
  const intent = useRef({ content: "", key: "" });

  async function send(input: Input): Promise<boolean> {
    const content = JSON.stringify(input);
    if (intent.current.content !== content) intent.current = { content, key: newKey() };
    const keyed = { ...input, idempotencyKey: intent.current.key };
    const { success } = await action.run({ input: keyed } as Variables);
    if (!success) return false;
    intent.current = { content: "", key: "" };
    const { id } = success as { id: string };
    void navigate({ to: "/sends/$sendId", params: { sendId: id } });
    return true;
  }
  return { send, isBusy: action.isBusy, failure: action.failure };
}
