import {
  createRootRoute,
  createRoute,
  createRouter,
  type RouteComponent,
} from "@tanstack/react-router";
import { NotFoundPage } from "../pages/not-found/NotFoundPage";
import { StartPage } from "../pages/start/StartPage";
import { FailedPage } from "./FailedPage";
import { filtersOf } from "./filters";
import { lazyPage } from "./lazyPage";
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
  return createRoute({
    getParentRoute: () => root,
    path,
    component,
    staticData: { ability },
    validateSearch: filtersOf,
  });
}

// Each page is a separate file that is loaded when it is opened.
const send = lazyPage(() => import("../pages/send/SendPage"), "SendPage");
const sends = lazyPage(() => import("../pages/sends/SendsPage"), "SendsPage");
const oneSend = lazyPage(() => import("../pages/sends/OneSendPage"), "OneSendPage");
const inbox = lazyPage(() => import("../pages/inbox/InboxPage"), "InboxPage");
const contacts = lazyPage(() => import("../pages/contacts/ContactsPage"), "ContactsPage");
const templates = lazyPage(() => import("../pages/templates/TemplatesPage"), "TemplatesPage");
const statement = lazyPage(() => import("../pages/statement/StatementPage"), "StatementPage");
const account = lazyPage(() => import("../pages/account/AccountPage"), "AccountPage");
const developers = lazyPage(() => import("../pages/developers/DevelopersPage"), "DevelopersPage");
const rest = lazyPage(() => import("../pages/developers/RestPage"), "RestPage");
const explorer = lazyPage(() => import("../pages/developers/ExplorerPage"), "ExplorerPage");
const clients = lazyPage(() => import("../pages/clients/ClientsPage"), "ClientsPage");
const credits = lazyPage(() => import("../pages/credits/CreditsPage"), "CreditsPage");
const webhooks = lazyPage(() => import("../pages/webhooks/WebhooksPage"), "WebhooksPage");
const endpoints = lazyPage(() => import("../pages/endpoints/EndpointsPage"), "EndpointsPage");
const lines = lazyPage(() => import("../pages/lines/LinesPage"), "LinesPage");
const unknown = lazyPage(() => import("../pages/unknown/UnknownPage"), "UnknownPage");
const providers = lazyPage(() => import("../pages/providers/ProvidersPage"), "ProvidersPage");
const users = lazyPage(() => import("../pages/users/UsersPage"), "UsersPage");
const reconciliations = lazyPage(
  () => import("../pages/reconciliations/ReconciliationsPage"),
  "ReconciliationsPage",
);
const audit = lazyPage(() => import("../pages/audit/AuditPage"), "AuditPage");

const routeTree = root.addChildren([
  page("/", "everybody", StartPage),
  page("/send", "sender", send),
  page("/sends", "reader", sends),
  page("/sends/$sendId", "reader", oneSend),
  page("/inbox", "sender", inbox),
  page("/inbox/$conversationId", "sender", inbox),
  page("/contacts", "sender", contacts),
  page("/templates", "sender", templates),
  page("/statement", "everybody", statement),
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
  defaultErrorComponent: FailedPage,
  defaultPreload: "intent",
  scrollRestoration: true,
  trailingSlash: "never",
});
