import { Code, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { CopyButton } from "../../components/CopyButton";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { CALLS } from "./calls";

/** Calls of the API to copy, with the address of this installation. */
export function DevelopersPage() {
  return (
    <Page
      title="API"
      description={
        <>
          Calls to copy. Make a key under <TextLink to="/account">Account</TextLink> and put it into the
          variable API_KEY.
        </>
      }
      actions={
        <>
          <ButtonLink to="/developers/rest" variant="default">
            REST API
          </ButtonLink>
          {/* The explorer's page has its own policy, so it is loaded and not only shown. */}
          <ButtonLink to="/developers/explorer" reloadDocument>
            Open the explorer
          </ButtonLink>
        </>
      }
    >
      <Stack>
        {CALLS.map(({ title, explanation, text }) => {
          const call = text(location.origin);
          return (
            <Paper key={title} withBorder p="md" component="section" aria-label={title}>
              <Group justify="space-between" align="flex-start" wrap="nowrap" mb="xs">
                <div>
                  <Title order={2} size="h5">
                    {title}
                  </Title>
                  <Text size="sm" c="dimmed">
                    {explanation}
                  </Text>
                </div>
                <CopyButton value={call} />
              </Group>
              <Code block tabIndex={0}>
                {call}
              </Code>
            </Paper>
          );
        })}
      </Stack>
    </Page>
  );
}
