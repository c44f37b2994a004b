import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouteComponent,
} from "@tanstack/react-router";
import { NotFoundPage } from "../pages/not-found/NotFoundPage";
import { StartPage } from "../pages/start/StartPage";
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

// Each page is a separate file that is loaded when it is opened.
const lazy = lazyRouteComponent;
const send = lazy(() => import("../pages/send/SendPage"), "SendPage");
const sends = lazy(() => import("../pages/sends/SendsPage"), "SendsPage");
const oneSend = lazy(() => import("../pages/sends/OneSendPage"), "OneSendPage");
const inbox = lazy(() => import("../pages/inbox/InboxPage"), "InboxPage");
const contacts = lazy(() => import("../pages/contacts/ContactsPage"), "ContactsPage");
const templates = lazy(() => import("../pages/templates/TemplatesPage"), "TemplatesPage");
const statement = lazy(() => import("../pages/statement/StatementPage"), "StatementPage");
const account = lazy(() => import("../pages/account/AccountPage"), "AccountPage");
const developers = lazy(() => import("../pages/developers/DevelopersPage"), "DevelopersPage");
const rest = lazy(() => import("../pages/developers/RestPage"), "RestPage");
const explorer = lazy(() => import("../pages/developers/ExplorerPage"), "ExplorerPage");
const clients = lazy(() => import("../pages/clients/ClientsPage"), "ClientsPage");
const credits = lazy(() => import("../pages/credits/CreditsPage"), "CreditsPage");
const webhooks = lazy(() => import("../pages/webhooks/WebhooksPage"), "WebhooksPage");
const endpoints = lazy(() => import("../pages/endpoints/EndpointsPage"), "EndpointsPage");
const lines = lazy(() => import("../pages/lines/LinesPage"), "LinesPage");
const unknown = lazy(() => import("../pages/unknown/UnknownPage"), "UnknownPage");
const providers = lazy(() => import("../pages/providers/ProvidersPage"), "ProvidersPage");
const users = lazy(() => import("../pages/users/UsersPage"), "UsersPage");
const reconciliations = lazy(
  () => import("../pages/reconciliations/ReconciliationsPage"),
  "ReconciliationsPage",
);
const audit = lazy(() => import("../pages/audit/AuditPage"), "AuditPage");

const routeTree = root.addChildren([
  page("/", "everybody", StartPage),
  page("/send", "sender", send),
  page("/sends", "reader", sends),
  page("/sends/$sendId", "reader", oneSend),
  page("/inbox", "sender", inbox),
  page("/inbox/$conversationId", "sender", inbox),
  page("/contacts", "sender", contacts),
  page("/templates", "sender", templates),
  createRoute({
    getParentRoute: () => root,
    path: "/statement",
    component: statement,
    staticData: { ability: "everybody" },
    validateSearch: (search: Record<string, unknown>): { clientId?: string } =>
      typeof search.clientId === "string" ? { clientId: search.clientId } : {},
  }),
  page("/account", "everybody", account),
  page("/developers", "everybody", developers),
  page("/developers/rest", "everybody", rest),
  page("/developers/explorer", "everybody", explorer),
  page("/clients", "admin", clients),
  page("/credits", "admin", credits),
  page("/webhooks", "admin", webhooks),
  page("/endpoints", "reader", endpoints),
  page("/lines", "admin", lines),
  page("/unknown", "admin", unknown),
  page("/providers", "admin", providers),
  page("/users", "admin", users),
  page("/reconcile", "admin", reconciliations),
  page("/audit", "admin", audit),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: "intent",
  scrollRestoration: true,
  trailingSlash: "never",
});
