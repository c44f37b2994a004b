import { Button, Group, List, Spoiler, Stack, Text, Title } from "@mantine/core";
import { count } from "../text/numbers";
import { csvOf, download } from "../text/csv";

export interface Rejected {
  input: string;
  position: number;
  reason: string;
  message: string;
}

/** What was not accepted, each with the reason, and all of it as a file. */
export function RejectedList({
  rejected,
  total,
  positionName,
}: {
  rejected: Rejected[];
  total: number;
  /** What the positions count, if they are shown, such as the lines of a file. */
  positionName?: string;
}) {
  if (total === 0) return null;
  function save() {
    const rows = rejected.map((each) => [each.position, each.input, each.reason, each.message]);
    download("not-accepted.csv", csvOf([positionName ?? "Position", "Input", "Code", "Reason"], rows));
  }
  return (
    <Stack gap="xs" component="section" aria-label="Not accepted">
      <Group justify="space-between">
        <Title order={2} size="h5">
          Not accepted: {count(total)}
        </Title>
        <Button variant="default" size="xs" onClick={save}>
          Download as CSV
        </Button>
      </Group>
      <Spoiler maxHeight={132} showLabel="Show all" hideLabel="Show fewer">
        <List size="sm" spacing={2}>
          {rejected.slice(0, 200).map((each) => (
            <List.Item key={`${each.position}-${each.input}`}>
              {positionName && `${positionName} ${each.position}, `}
              <Text span size="sm" ff="monospace">
                {each.input || "(empty)"}
              </Text>
              : {each.message}
            </List.Item>
          ))}
        </List>
      </Spoiler>
      {rejected.length < total && (
        <Text size="xs" c="dimmed">
          The first {count(rejected.length)} are listed.
        </Text>
      )}
    </Stack>
  );
}
