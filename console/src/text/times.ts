// Times in the viewer's own zone and language.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const STEPS: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3_600, 60, "minute"],
  [86_400, 3_600, "hour"],
  [Number.POSITIVE_INFINITY, 86_400, "day"],
];

export function fullTime(at: string): string {
  return full.format(new Date(at));
}

/** With the day of the week and the zone, which tells two times apart where the clocks go back. */
export function exactTime(at: Date): string {
  return exact.format(at);
}

/** The time today, the day this year, else the date. */
export function shortTime(at: string, now = new Date()): string {
  const time = new Date(at);
  if (time.toDateString() === now.toDateString()) return clock.format(time);
  return time.getFullYear() === now.getFullYear()
    ? `${day.format(time)}, ${clock.format(time)}`
    : dayOfYear.format(time);
}

export function relativeTime(at: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  for (const [limit, size, unit] of STEPS) {
    if (Math.abs(seconds) < limit) return relative.format(Math.trunc(seconds / size), unit);
  }
  return full.format(new Date(at));
}

/** The name of the viewer's time zone, such as Africa/Kampala. */
export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/**
 * The beginning of a day (2026-11-30) in the viewer's zone, or of a day that many days later. That is
 * 01:00 where the clocks go forward at midnight, as in Cairo, so the days are counted first.
 */
export function dayStart(day: string, later = 0): Date {
  const start = new Date(`${day}T00:00`);
  return new Date(start.getFullYear(), start.getMonth(), start.getDate() + later);
}

/** A time as a date field writes it: in the viewer's zone, to the minute. */
export function localTime(time: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date}T${two(time.getHours())}:${two(time.getMinutes())}`;
}
