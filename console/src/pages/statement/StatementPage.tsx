import { Page } from "../../components/Page";

export function StatementPage() {
  return <Page title="StatementPage">…</Page>;
}
