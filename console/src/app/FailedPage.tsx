import { Button, Group, Text } from "@mantine/core";
import { Page } from "../components/Page";

/** Shown instead of a page that failed. The rest of the console stays usable. */
export function FailedPage() {
  return (
    <Page title="This page cannot be shown">
      <Text>Reload it. If that does not help, tell your administrator what you did.</Text>
      <Group>
        <Button onClick={() => location.reload()}>Reload</Button>
      </Group>
    </Page>
  );
}
