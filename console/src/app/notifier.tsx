import { useRouter } from "@tanstack/react-router";
import { graphql } from "../api/graphql";
import { useLive } from "../api/useLive";
import { phone } from "../text/numbers";
import { useViewer } from "./viewer";

const INBOUND = graphql(`
  subscription InboundMessage($since: ID) {
    inboundMessage(since: $since) {
      id
      number
      text
      conversation {
        id
        contact {
          id
          name
        }
      }
    }
  }
`);

/** Shows new messages on the desktop while the page is in the background, if that is allowed. */
export function Notifier() {
  const viewer = useViewer();
  const router = useRouter();
  useLive(
    INBOUND,
    { since: null },
    (events) => {
      const isAllowed = "Notification" in window && Notification.permission === "granted";
      if (!isAllowed || !document.hidden) return;
      for (const { inboundMessage } of events.slice(-3)) {
        const { conversation, number, text } = inboundMessage;
        const notification = new Notification(conversation?.contact?.name ?? phone(number), {
          body: text,
          tag: inboundMessage.id,
        });
        notification.onclick = () => {
          window.focus();
          if (!conversation) return;
          const params = { conversationId: conversation.id };
          void router.navigate({ to: "/inbox/$conversationId", params });
        };
      }
    },
    { isPaused: viewer.client === null },
  );
  return null;
}
