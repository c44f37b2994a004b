import { Page } from "../../components/Page";

export function ContactsPage() {
  return <Page title="ContactsPage">…</Page>;
}
