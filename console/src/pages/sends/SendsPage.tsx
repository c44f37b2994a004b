import { Page } from "../../components/Page";

export function SendsPage() {
  return <Page title="SendsPage">…</Page>;
}
