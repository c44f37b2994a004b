import { Badge, ScrollArea } from "@mantine/core";
import { useRouterState } from "@tanstack/react-router";
import { PageLink } from "../../components/links";
import { useUnread } from "../unread";
import { can, useViewer } from "../viewer";
import { CheckBalance } from "./CheckBalance";
import { DESTINATIONS } from "./navigation";

export function Navigation() {
  const viewer = useViewer();
  const unread = useUnread();
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <>
      <ScrollArea style={{ flex: 1 }}>
        {DESTINATIONS.filter(({ ability }) => can(viewer, ability)).map(({ to, label, icon: Icon }) => (
          <PageLink
            key={to}
            to={to}
            label={label}
            leftSection={<Icon size={18} aria-hidden />}
            active={to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`)}
            aria-current={path === to ? "page" : undefined}
            rightSection={
              to === "/inbox" && unread > 0 ? (
                <Badge size="sm" circle={unread < 10} aria-label={`${unread} unread`}>
                  {unread > 99 ? "99+" : unread}
                </Badge>
              ) : null
            }
          />
        ))}
      </ScrollArea>
      <CheckBalance />
    </>
  );
}
