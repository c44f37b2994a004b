import { createContext, type ReactNode, useContext, useState } from "react";
import { graphql } from "../api/graphql";
import { useData } from "../api/useData";
import { useLive } from "../api/useLive";
import { useViewer } from "./viewer";

const UNREAD = graphql(`
  query Unread {
    inbox(unreadOnly: true, first: 100) {
      nodes {
        id
        unread
      }
    }
  }
`);

const CHANGED = graphql(`
  subscription UnreadChanged {
    conversationUpdated {
      id
      unread
    }
  }
`);

const UnreadContext = createContext(0);

/** How many messages wait in the inbox: counted once, then kept up to date by events. */
export function UnreadProvider({ children }: { children: ReactNode }) {
  const viewer = useViewer();
  const isPaused = viewer.client === null;
  const { data } = useData(UNREAD, {}, { isPaused });
  const [changed, setChanged] = useState<ReadonlyMap<string, number>>(new Map());
  useLive(
    CHANGED,
    {},
    (events) => {
      setChanged((old) => {
        const next = new Map(old);
        for (const { conversationUpdated } of events) {
          next.set(conversationUpdated.id, conversationUpdated.unread);
        }
        return next;
      });
    },
    { isPaused },
  );
  const known = new Map(data?.inbox.nodes.map(({ id, unread }) => [id, unread]));
  for (const [id, unread] of changed) known.set(id, unread);
  const total = [...known.values()].reduce((sum, each) => sum + each, 0);
  return <UnreadContext value={total}>{children}</UnreadContext>;
}

export function useUnread(): number {
  return useContext(UnreadContext);
}
