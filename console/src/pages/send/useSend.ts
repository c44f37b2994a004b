import { useNavigate } from "@tanstack/react-router";
import { type AnyVariables, type DocumentInput } from "urql";
import { forgetKey, keyFor } from "../../api/keys";
import { useAction } from "../../api/useAction";

const ALREADY_SENT = "This was already sent. Look at it on the page Sends. To send it again, change the text.";

/** Sends, then opens the send. */
export function useSend<
  Data extends { result: object },
  Input extends object,
  Variables extends AnyVariables & { input: Input & { idempotencyKey?: string | null } },
>(mutation: DocumentInput<Data, Variables>) {
  const navigate = useNavigate();
  const action = useAction(mutation);

  /** `content`: what makes it the same send if it is tried again. */
  async function send(input: Input, content: object = input): Promise<boolean> {
    const keyed = { ...input, idempotencyKey: keyFor("send", JSON.stringify(content)) };
    const { success } = await action.run({ input: keyed } as Variables);
    if (!success) return false;
    forgetKey("send");
    const { id } = success as { id: string };
    void navigate({ to: "/sends/$sendId", params: { sendId: id } });
    return true;
  }
  const { isBusy, failure } = action;
  const isSent = failure?.kind === "IdempotencyConflict";
  return { send, isBusy, failure: isSent ? { ...failure, message: ALREADY_SENT } : failure };
}
