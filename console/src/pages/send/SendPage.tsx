import { Page } from "../../components/Page";

export function SendPage() {
  return <Page title="SendPage">…</Page>;
}
