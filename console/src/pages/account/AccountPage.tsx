import { SegmentedControl, SimpleGrid, Text, Title, useMantineColorScheme } from "@mantine/core";
import { useViewer } from "../../app/viewer";
import { Page } from "../../components/Page";
import { ApiKeys } from "./ApiKeys";
import { QuietHours } from "./QuietHours";
import { Sessions } from "./Sessions";

const ROLES = { ADMIN: "Administrator", SUPERVISOR: "Supervisor", CLIENT: "Client" };

export function AccountPage() {
  const viewer = useViewer();
  return (
    <Page title="Account">
      <SimpleGrid cols={{ base: 1, sm: 2, md: 4 }}>
        <Fact name="Email" value={viewer.email} />
        <Fact name="Role" value={ROLES[viewer.role]} />
        {viewer.client && <Fact name="Client" value={viewer.client.name} />}
        {viewer.group && <Fact name="Group" value={viewer.group.name} />}
      </SimpleGrid>
      <Theme />
      {viewer.client && <QuietHours />}
      <Sessions />
      <ApiKeys />
    </Page>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text fw={600} style={{ overflowWrap: "anywhere" }}>
        {value}
      </Text>
    </div>
  );
}

function Theme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <section aria-labelledby="theme">
      <Title order={2} size="h4" id="theme" mb="xs">
        Theme
      </Title>
      <SegmentedControl
        aria-label="Theme"
        value={colorScheme}
        onChange={(value) => setColorScheme(value as typeof colorScheme)}
        data={[
          { value: "light", label: "Light" },
          { value: "dark", label: "Dark" },
          { value: "auto", label: "As the system" },
        ]}
      />
    </section>
  );
}
