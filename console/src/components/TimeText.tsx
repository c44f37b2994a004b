import { useEffect, useState } from "react";
import { fullTime, relativeTime, shortTime } from "../text/times";

const TICK_MILLISECONDS = 30_000;

/** A time in the viewer's zone. The whole of it is in the tooltip. */
export function TimeText({ at, relative = false }: { at: string; relative?: boolean }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!relative) return;
    const timer = setInterval(() => tick((n) => n + 1), TICK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [relative]);
  return (
    <time dateTime={at} title={fullTime(at)} className="time">
      {relative ? relativeTime(at) : shortTime(at)}
    </time>
  );
}
