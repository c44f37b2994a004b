// The periods that a chart shows: hours and days in UTC, as the API counts them.
import type { Period } from "./documents";

const MILLISECONDS: Record<Period, number> = { HOUR: 3_600_000, DAY: 86_400_000 };
const labels: Record<Period, Intl.DateTimeFormat> = {
  HOUR: new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" }),
  DAY: new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" }),
};

/** The last `count` periods, with the present one. It does not change within a period. */
export function lastPeriods(by: Period, count: number, now = Date.now()) {
  const length = MILLISECONDS[by];
  const end = (Math.floor(now / length) + 1) * length;
  return { by, from: new Date(end - count * length).toISOString(), to: new Date(end).toISOString() };
}

export function periodLabel(by: Period, startsAt: string): string {
  return labels[by].format(new Date(startsAt));
}
