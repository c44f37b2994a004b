import {
  BookUser,
  Building2,
  Cable,
  ChartNoAxesCombined,
  CircleHelp,
  CodeXml,
  Coins,
  Inbox,
  type LucideIcon,
  PlugZap,
  ReceiptText,
  Send,
  SendHorizontal,
  ShieldCheck,
  UserRound,
  UsersRound,
  Webhook,
} from "lucide-react";
import type { Ability } from "../viewer";

export interface Destination {
  to: "/" | "/send" | "/inbox" | "/sends" | "/contacts" | "/statement" | "/account";
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
  { to: "/statement", label: "Statement", icon: ReceiptText, ability: "everybody" },
  { to: "/account", label: "Account", icon: UserRound, ability: "everybody" },
];

export { Building2, Cable, CircleHelp, CodeXml, Coins, PlugZap, ShieldCheck, UsersRound, Webhook };
