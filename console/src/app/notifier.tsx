import { useRouter } from "@tanstack/react-router";
import { graphql, type ResultOf } from "../api/graphql";
import { useLive } from "../api/useLive";
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

type Inbound = ResultOf<typeof INBOUND>;

const MOST_AT_ONCE = 3;

async function notify(events: Inbound[], open: (conversationId: string) => void): Promise<void> {
  const { phone } = await import("../text/phones");
  for (const { inboundMessage } of events) {
    const { id, conversation, number, text } = inboundMessage;
    const title = conversation?.contact?.name ?? phone(number);
    const notification = new Notification(title, { body: text, tag: id });
    notification.onclick = () => {
      window.focus();
      if (conversation) open(conversation.id);
    };
  }
}

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
      void notify(events.slice(-MOST_AT_ONCE), (conversationId) => {
        void router.navigate({ to: "/inbox/$conversationId", params: { conversationId } });
      });
    },
    { isPaused: viewer.client === null },
  );
  return null;
}
