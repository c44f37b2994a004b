import { Button, Group, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { ResultOf } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { FailureNote } from "../../components/FailureNote";
import { zoneName } from "../../text/times";
import { QUIET_HOURS, SET_QUIET_HOURS } from "./documents";

type Hours = NonNullable<NonNullable<ResultOf<typeof QUIET_HOURS>["viewer"]["client"]>["quietHours"]>;

/** When messages of the client are held, in the local time of each recipient. */
export function QuietHours() {
  const { data, reload } = useData(QUIET_HOURS, {});
  if (!data) return null;
  const hours = data.viewer.client?.quietHours ?? null;
  return (
    <section aria-labelledby="quiet-hours">
      <Title order={2} size="h4" id="quiet-hours" mb="xs">
        Quiet hours
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Messages are held in this time, as it is where each recipient is. Replies are not held. The
        time zone counts for numbers that do not tell where they are.
      </Text>
      <HoursForm key={JSON.stringify(hours)} hours={hours} onChange={reload} />
    </section>
  );
}

function HoursForm({ hours, onChange }: { hours: Hours | null; onChange: () => void }) {
  const [start, setStart] = useState(hours?.start ?? "21:00");
  const [end, setEnd] = useState(hours?.end ?? "08:00");
  const [timeZone, setTimeZone] = useState(hours?.timeZone ?? zoneName());
  const set = useAction(SET_QUIET_HOURS);
  const zones = [...new Set([timeZone, ...Intl.supportedValuesOf("timeZone")])];

  async function save(quietHours: Hours | null) {
    const { success } = await set.run({ quietHours });
    if (success) onChange();
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void save({ start, end, timeZone });
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Group align="end">
          <TextInput
            type="time"
            label="From"
            required
            value={start}
            onChange={(event) => setStart(event.currentTarget.value)}
          />
          <TextInput
            type="time"
            label="To"
            required
            value={end}
            onChange={(event) => setEnd(event.currentTarget.value)}
          />
          <Select
            label="Time zone"
            data={zones}
            value={timeZone}
            onChange={(zone) => zone && setTimeZone(zone)}
            searchable
            allowDeselect={false}
          />
          <Button type="submit" loading={set.isBusy}>
            {hours ? "Save" : "Set quiet hours"}
          </Button>
          {hours && (
            <Button variant="default" loading={set.isBusy} onClick={() => void save(null)}>
              End quiet hours
            </Button>
          )}
        </Group>
        <FailureNote failure={set.failure} />
      </Stack>
    </form>
  );
}
