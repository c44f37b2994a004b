// The filters of a list. They are in the address, so that a reload, a link and "Back" keep them. A text that
// is searched for is only in this tab: addresses stay in the history of the browser after a sign-out.
import { useLocation, useNavigate, useSearch } from "@tanstack/react-router";
import { keepDraft, newKey, readDraft } from "../api/drafts";

const NAMES = ["clientId", "kind", "from", "to", "scheduled", "outcome", "optedOut", "order", "unread", "status"] as const;
const DAY = /^\d{4}-\d\d-\d\d$/;

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** The draft with the text that is searched for. */
    search?: string;
  }
}

export type Filters = Partial<Record<(typeof NAMES)[number] | "search", string>>;

/** The filters in an address that somebody may have typed. */
export function filtersOf(search: Record<string, unknown>): Filters {
  const given = NAMES.map((name) => [name, search[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => typeof value === "string" && value));
}

/** The filters, and a function that changes some of them. Null removes one. */
export function useFilters() {
  const filters: Filters = useSearch({ strict: false });
  const draft = useLocation({ select: ({ state }) => state.search }) ?? "";
  const navigate = useNavigate();
  function change({ search: text, ...changed }: { [Name in keyof Filters]: string | null }) {
    const search = (before: Filters) => filtersOf({ ...before, ...changed });
    const state = text === undefined ? true : { search: newKey() };
    if (state !== true) keepDraft(state.search, text ?? "");
    void navigate({ to: ".", search, state, replace: true, resetScroll: false });
  }
  return [{ ...filters, search: readDraft(draft) || undefined }, change] as const;
}

/** The value if it is one of these names. */
export function oneOf<Name extends string>(value: string | undefined, names: Record<Name, unknown>): Name | null {
  return value !== undefined && Object.hasOwn(names, value) ? (value as Name) : null;
}

/** The choices of a field: names and their labels. */
export function choicesOf(labels: Record<string, string>) {
  return Object.entries(labels).map(([value, label]) => ({ value, label }));
}

/** The days of the filters, as date fields write them; empty for no limit. */
export function daysOf({ from = "", to = "" }: Filters) {
  const isDay = (day: string) => DAY.test(day) && !Number.isNaN(Date.parse(day));
  return { from: isDay(from) ? from : "", to: isDay(to) ? to : "" };
}
