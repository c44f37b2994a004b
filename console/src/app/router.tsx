import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from "@tanstack/react-router";
import { NotFoundPage } from "../pages/not-found/NotFoundPage";
import { Shell } from "./shell/Shell";
import type { Ability } from "./viewer";

declare module "@tanstack/react-router" {
  interface StaticDataRouteOption {
    /** Who may open the page. */
    ability?: Ability;
  }
  interface Register {
    router: typeof router;
  }
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFoundPage });

function page<const Path extends string>(path: Path, ability: Ability, component: RouteComponent) {
  return createRoute({ getParentRoute: () => root, path, component, staticData: { ability } });
}

const routes = [
  page("/", "everybody", lazyRouteComponent(() => import("../pages/start/StartPage"), "StartPage")),
  page("/send", "sender", lazyRouteComponent(() => import("../pages/send/SendPage"), "SendPage")),
  page("/sends", "reader", lazyRouteComponent(() => import("../pages/sends/SendsPage"), "SendsPage")),
  page(
    "/sends/$sendId",
    "reader",
    lazyRouteComponent(() => import("../pages/sends/OneSendPage"), "OneSendPage"),
  ),
  page("/inbox", "sender", lazyRouteComponent(() => import("../pages/inbox/InboxPage"), "InboxPage")),
  page(
    "/inbox/$conversationId",
    "sender",
    lazyRouteComponent(() => import("../pages/inbox/InboxPage"), "InboxPage"),
  ),
  page(
    "/contacts",
    "sender",
    lazyRouteComponent(() => import("../pages/contacts/ContactsPage"), "ContactsPage"),
  ),
  page(
    "/statement",
    "everybody",
    lazyRouteComponent(() => import("../pages/statement/StatementPage"), "StatementPage"),
  ),
  page(
    "/account",
    "everybody",
    lazyRouteComponent(() => import("../pages/account/AccountPage"), "AccountPage"),
  ),
] as const;

export const router = createRouter({
  routeTree: root.addChildren([...routes]),
  defaultPreload: "intent",
  scrollRestoration: true,
  trailingSlash: "never",
});
