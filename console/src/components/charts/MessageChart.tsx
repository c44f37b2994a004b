import { useThrottledCallback } from "@mantine/hooks";
import { useEffect } from "react";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { useBalances } from "../../app/balances";
import { MESSAGE_UPDATED } from "../../pages/sends/documents";
import { FailureNote } from "../FailureNote";
import { Waiting } from "../Waiting";
import { BarChart } from "./BarChart";
import { type Period, type Stat, STATS } from "./documents";
import { lastPeriods, periodLabel } from "./periods";

interface Layer {
  label: string;
  color: string;
  of: (stat: Stat) => number;
}

const OUTCOMES: Layer[] = [
  {
    label: "Delivered",
    color: "--mantine-color-green-6",
    of: ({ counts }) => counts.delivered,
  },
  { label: "Sent", color: "--mantine-color-indigo-5", of: ({ counts }) => counts.sent },
  {
    label: "On the way",
    color: "--mantine-color-gray-5",
    of: ({ counts }) => counts.queued + counts.submitting,
  },
  { label: "Unknown", color: "--mantine-color-yellow-5", of: ({ counts }) => counts.unknown },
  {
    label: "Failed",
    color: "--mantine-color-red-6",
    of: ({ counts }) => counts.undelivered + counts.rejected,
  },
  { label: "Cancelled", color: "--mantine-color-gray-7", of: ({ counts }) => counts.cancelled },
];
const ALL: Layer[] = [
  {
    label: "Messages",
    color: "--mantine-color-indigo-5",
    of: (stat) => OUTCOMES.reduce((sum, { of }) => sum + of(stat), 0),
  },
];

const RELOAD_MILLISECONDS = 5_000;

interface MessageChartProps {
  title: string;
  by: Period;
  periods: number;
  /** `outcomes`: a layer for each kind of outcome. `throughput`: all messages. */
  show: "outcomes" | "throughput";
}

/** How many messages there were in each of the last periods. It follows what happens. */
export function MessageChart({ title, by, periods, show }: MessageChartProps) {
  const { data, failure, reload } = useData(STATS, lastPeriods(by, periods));
  const version = useBalances()?.version;
  const reloadSoon = useThrottledCallback(reload, RELOAD_MILLISECONDS);
  useLive(MESSAGE_UPDATED, {}, reloadSoon);
  useEffect(reloadSoon, [version, reloadSoon]);
  if (failure) return <FailureNote failure={failure} />;
  if (!data) return <Waiting lines={5} />;
  const stats = data.messageStats;
  const layers = show === "throughput" ? ALL : OUTCOMES;
  const bars = {
    labels: stats.map(({ startsAt }) => periodLabel(by, startsAt)),
    layers: layers.map(({ label, color, of }) => ({ label, color, values: stats.map(of) })),
  };
  return <BarChart title={title} period={by === "HOUR" ? "Hour" : "Day"} bars={bars} />;
}
