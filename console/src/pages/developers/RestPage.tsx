import { Accordion, Alert, Badge, Button, Code, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { useViewer } from "../../app/viewer";
import { CopyButton } from "../../components/CopyButton";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { Waiting } from "../../components/Waiting";
import { type Endpoint, endpointsOf, type Value } from "./openapi";

const DOCUMENT = "/api/openapi.json";
const OF_ADMINS = "/api/admin/";
const GROUPS = [
  { tag: "v2", title: "Send and receive" },
  { tag: "console", title: "Consoles and operators" },
  { tag: "schools", title: "Schools" },
];

/** The endpoints of the REST API, with a call to copy for each. */
export function RestPage() {
  const isAdmin = useViewer().role === "ADMIN";
  const { endpoints, isUnreachable } = useEndpoints();
  return (
    <Page
      title="REST API"
      description={
        <>
          For programs that do not use GraphQL: the same charges, limits and keys. Make a key under{" "}
          <TextLink to="/account">Account</TextLink> and put it into the variable API_KEY.
        </>
      }
      actions={
        <>
          <ButtonLink to="/developers" variant="default">
            Calls of GraphQL
          </ButtonLink>
          <Button component="a" href={DOCUMENT} variant="default">
            OpenAPI document
          </Button>
        </>
      }
    >
      {isUnreachable && (
        <Alert color="red" variant="outline" role="alert">
          The description of the API could not be loaded. Reload the page to try again.
        </Alert>
      )}
      {!endpoints && !isUnreachable && <Waiting />}
      {endpoints &&
        GROUPS.map(({ tag, title }) => (
          <section key={tag} aria-label={title}>
            <Title order={2} size="h4" mb="xs">
              {title}
            </Title>
            <Accordion variant="contained" multiple order={3}>
              {endpoints
                .filter((each) => each.tag === tag && (isAdmin || !each.path.startsWith(OF_ADMINS)))
                .map((each) => (
                  <OneEndpoint key={each.name} endpoint={each} />
                ))}
            </Accordion>
          </section>
        ))}
    </Page>
  );
}

function useEndpoints() {
  const [endpoints, setEndpoints] = useState<Endpoint[] | null>(null);
  const [isUnreachable, setUnreachable] = useState(false);
  useEffect(() => {
    const stopped = new AbortController();
    fetch(DOCUMENT, { signal: stopped.signal })
      .then(async (response) => setEndpoints(endpointsOf(await response.json(), location.origin)))
      .catch(() => setUnreachable(!stopped.signal.aborted));
    return () => stopped.abort();
  }, []);
  return { endpoints, isUnreachable };
}

function OneEndpoint({ endpoint }: { endpoint: Endpoint }) {
  const { name, method, path, summary, call, given, answer, refusals } = endpoint;
  return (
    <Accordion.Item value={name}>
      <Accordion.Control>
        <Group gap="xs">
          <Badge variant="default" radius="sm" w={56}>
            {method}
          </Badge>
          <Code>{path}</Code>
          <Text size="sm">{summary}</Text>
        </Group>
      </Accordion.Control>
      <Accordion.Panel>
        <Stack gap="sm">
          <Group justify="space-between" align="flex-start" wrap="nowrap">
            <Code block tabIndex={0} flex={1}>
              {call}
            </Code>
            <CopyButton value={call} />
          </Group>
          <Values title="Request" values={given} />
          <Values title="Answer" values={answer} />
          <Text size="sm" c="dimmed">
            Errors have success, error, code and the figures that belong to it.
          </Text>
          <Table aria-label={`Errors of ${name}`}>
            <Table.Tbody>
              {refusals.map(([status, meaning]) => (
                <Table.Tr key={status}>
                  <Table.Td w={72}>{status}</Table.Td>
                  <Table.Td>{meaning}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Stack>
      </Accordion.Panel>
    </Accordion.Item>
  );
}

function Values({ title, values }: { title: string; values: Value[] }) {
  if (values.length === 0) return null;
  return (
    <Table.ScrollContainer minWidth={480}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{title}</Table.Th>
            <Table.Th>Type</Table.Th>
            <Table.Th>Meaning</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {values.map(({ name, type, isRequired, description }) => (
            <Table.Tr key={name}>
              <Table.Td>
                <Code>{name}</Code>
                {isRequired && title === "Request" && " *"}
              </Table.Td>
              <Table.Td>{type}</Table.Td>
              <Table.Td>{description}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
