import type { LinkProps } from "@tanstack/react-router";
import {
  BookUser,
  Building2,
  Cable,
  ChartNoAxesCombined,
  CircleHelp,
  CodeXml,
  Coins,
  FileText,
  Inbox,
  type LucideIcon,
  PlugZap,
  RadioTower,
  ReceiptText,
  Scale,
  Send,
  SendHorizontal,
  ShieldCheck,
  UserRound,
  UsersRound,
  Webhook,
} from "lucide-react";
import type { Ability } from "../viewer";

export interface Destination {
  to: NonNullable<LinkProps["to"]>;
  label: string;
  icon: LucideIcon;
  ability: Ability;
}

/** The pages in the sidebar, in this order. Everybody sees those that the role includes. */
export const DESTINATIONS: Destination[] = [
  { to: "/", label: "Overview", icon: ChartNoAxesCombined, ability: "everybody" },
  { to: "/send", label: "Send", icon: SendHorizontal, ability: "sender" },
  { to: "/inbox", label: "Inbox", icon: Inbox, ability: "sender" },
  { to: "/sends", label: "Sends", icon: Send, ability: "reader" },
  { to: "/contacts", label: "Contacts", icon: BookUser, ability: "sender" },
  { to: "/templates", label: "Templates", icon: FileText, ability: "sender" },
  { to: "/clients", label: "Clients and groups", icon: Building2, ability: "admin" },
  { to: "/credits", label: "Credits", icon: Coins, ability: "admin" },
  { to: "/statement", label: "Statement", icon: ReceiptText, ability: "everybody" },
  { to: "/webhooks", label: "Webhooks", icon: Webhook, ability: "admin" },
  { to: "/lines", label: "Lines", icon: Cable, ability: "admin" },
  { to: "/unknown", label: "Unknown messages", icon: CircleHelp, ability: "admin" },
  { to: "/providers", label: "Providers", icon: PlugZap, ability: "admin" },
  { to: "/users", label: "Users", icon: UsersRound, ability: "admin" },
  { to: "/reconcile", label: "Reconcile", icon: Scale, ability: "admin" },
  { to: "/audit", label: "Audit", icon: ShieldCheck, ability: "admin" },
  { to: "/endpoints", label: "Webhook endpoints", icon: RadioTower, ability: "reader" },
  { to: "/developers", label: "API", icon: CodeXml, ability: "everybody" },
  { to: "/account", label: "Account", icon: UserRound, ability: "everybody" },
];
