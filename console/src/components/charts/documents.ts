import { graphql, type ResultOf } from "../../api/graphql";

export const STATS = graphql(`
  query MessageStats($by: StatsPeriod!, $from: DateTime!, $to: DateTime!) {
    messageStats(by: $by, from: $from, to: $to) {
      startsAt
      charged
      counts {
        queued
        submitting
        sent
        delivered
        undelivered
        rejected
        unknown
        cancelled
      }
    }
  }
`);

export type Stat = ResultOf<typeof STATS>["messageStats"][number];
export type Period = "HOUR" | "DAY";
