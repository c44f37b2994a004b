import { Page } from "../../components/Page";
import { AllocationTable } from "./AllocationTable";

export function CreditsPage() {
  return (
    <Page title="Credits" description="What each client of the default pool holds, and what it is worth.">
      <AllocationTable />
    </Page>
  );
}
