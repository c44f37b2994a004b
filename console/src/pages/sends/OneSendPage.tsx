import { Page } from "../../components/Page";

export function OneSendPage() {
  return <Page title="OneSendPage">…</Page>;
}
