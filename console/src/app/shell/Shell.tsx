import { AppShell, Burger, Group, Indicator, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Outlet, useMatches, useRouterState } from "@tanstack/react-router";
import { Suspense, useEffect } from "react";
import { Waiting } from "../../components/Waiting";
import { NotAllowedPage } from "../../pages/not-found/NotFoundPage";
import { BrandLogo, useBrand } from "../brand";
import { Notifier } from "../notifier";
import { UnreadProvider, useUnread } from "../unread";
import { can, useViewer } from "../viewer";
import { BalanceBadge } from "./BalanceBadge";
import { ConnectionBanner } from "./ConnectionBanner";
import { Navigation } from "./Navigation";
import { UserMenu } from "./UserMenu";

/** The frame of every page: header, sidebar, and the page if the viewer may open it. */
export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure();
  const brand = useBrand();
  const viewer = useViewer();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const ability = useMatches({ select: (matches) => matches.at(-1)?.staticData.ability });
  useEffect(close, [path, close]);

  return (
    <UnreadProvider>
      <Notifier />
      <a href="#content" className="skip-link">
        Skip to the content
      </a>
      <AppShell
        header={{ height: 56 }}
        // Beside the menu, the tables of a tablet would have to be scrolled sideways.
        navbar={{ width: 232, breakpoint: "md", collapsed: { mobile: !isOpen } }}
        padding={{ base: "xs", sm: "md" }}
      >
        <AppShell.Header>
          <Group h="100%" px={{ base: "xs", sm: "md" }} justify="space-between" wrap="nowrap">
            <Group wrap="nowrap" gap="sm" miw={0}>
              <MenuButton isOpen={isOpen} onClick={toggle} />
              <BrandLogo height={32} />
              <Text fw={700} size="lg" truncate>
                {brand}
              </Text>
            </Group>
            <Group wrap="nowrap" gap="sm">
              <BalanceBadge />
              <UserMenu />
            </Group>
          </Group>
        </AppShell.Header>
        <AppShell.Navbar p="sm" aria-label="Pages">
          <Navigation />
        </AppShell.Navbar>
        <AppShell.Main id="content" tabIndex={-1}>
          <ConnectionBanner />
          <Suspense fallback={<Waiting />}>
            {ability && !can(viewer, ability) ? <NotAllowedPage /> : <Outlet />}
          </Suspense>
        </AppShell.Main>
      </AppShell>
    </UnreadProvider>
  );
}

/** Opens the menu where it is hidden, and says whether something in it waits. */
function MenuButton({ isOpen, onClick }: { isOpen: boolean; onClick: () => void }) {
  const unread = useUnread();
  const waiting = unread > 0 ? `, ${unread} unread` : "";
  return (
    <Indicator disabled={isOpen || unread === 0} hiddenFrom="md">
      <Burger
        opened={isOpen}
        onClick={onClick}
        size="sm"
        aria-label={isOpen ? "Close the menu" : `Open the menu${waiting}`}
      />
    </Indicator>
  );
}
