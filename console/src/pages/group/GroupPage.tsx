import { SimpleGrid, Title } from "@mantine/core";
import { useBalances } from "../../app/balances";
import { useViewer } from "../../app/viewer";
import { Figure } from "../../components/Figure";
import { Page } from "../../components/Page";
import { Waiting } from "../../components/Waiting";
import { units } from "../../text/numbers";
import { AllocationTable } from "../credits/AllocationTable";

/** A supervisor's start page: the group's pool, and its clients. */
export function GroupPage() {
  const viewer = useViewer();
  const balances = useBalances();
  const group = balances?.group;
  const account = balances?.account;
  return (
    <Page
      title={viewer.group ? `Group ${viewer.group.name}` : "Overview"}
      description="Units can be moved between the group's own units and its clients."
    >
      {balances === null && <Waiting lines={2} />}
      {group && (
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
          <Figure label="Group pool" value={units(group.balance, group.unit)} note="The group and its clients" />
          <Figure
            label="Not allocated"
            value={units(group.unallocated, group.unit)}
            note={group.unallocated === 0 ? "Ask your administrator for more" : "Can be given to clients"}
          />
          {account && <Figure label="Own account" value={units(account.balance, account.unit)} />}
        </SimpleGrid>
      )}
      <Title order={2} size="h4">
        Clients
      </Title>
      <AllocationTable />
    </Page>
  );
}
