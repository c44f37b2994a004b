import { Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { exactTime, localTime, zoneName } from "../text/times";
import { useDraft } from "./useDraft";

const DAYS_AHEAD = 30;

/** When a send leaves. `time`: as a date field writes it, in the viewer's zone; empty for now. */
export interface When {
  time: string;
  ignoreQuietHours: boolean;
}

/** When the send leaves: kept like its text, so that a reload does not make it leave now. */
export function useWhen(): { when: When; setWhen: (when: When) => void; sendNow: () => void } {
  const [time, setTime] = useDraft("send-later");
  const [ignoreQuietHours, setIgnoring] = useState(false);
  function setWhen(next: When) {
    setTime(next.time);
    setIgnoring(next.ignoreQuietHours);
  }
  return {
    when: { time, ignoreQuietHours },
    setWhen,
    sendNow: () => setWhen({ time: "", ignoreQuietHours: false }),
  };
}

/** The same for the API. */
export function whenOf({ time, ignoreQuietHours }: When) {
  return { sendAt: time ? new Date(time).toISOString() : null, ignoreQuietHours };
}

export function SendLater({ when, onChange }: { when: When; onChange: (when: When) => void }) {
  const now = new Date();
  const last = new Date(now);
  last.setDate(last.getDate() + DAYS_AHEAD);
  return (
    <Stack gap="xs">
      <TextInput
        type="datetime-local"
        label="Send later"
        description={`In the time zone of this device, ${zoneName()}, even if the client is in another zone. Leave it empty to send now.`}
        min={localTime(now)}
        max={localTime(last)}
        value={when.time}
        onChange={({ currentTarget: { value: time } }) => {
          // While a year is typed, some browsers have one of five digits or more, which is no time here.
          if (!time || Date.parse(time)) onChange({ ...when, time });
        }}
        maw={320}
      />
      <Text size="sm" role="status">
        {when.time && leavesAt(when.time)}
      </Text>
      <Checkbox
        label="Send also during quiet hours"
        checked={when.ignoreQuietHours}
        onChange={(event) => onChange({ ...when, ignoreQuietHours: event.currentTarget.checked })}
      />
    </Stack>
  );
}

/** When it really leaves: where the clocks change, a time may not exist, or exist twice. */
function leavesAt(time: string): string {
  const at = new Date(time);
  const isSkipped = !time.startsWith(localTime(at));
  const reason = isSkipped ? " The clocks go forward: there is no such time on that day." : "";
  return `It leaves on ${exactTime(at)}.${reason}`;
}
