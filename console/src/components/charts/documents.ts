import { COUNTS } from "../../api/fragments";
import { graphql, type ResultOf } from "../../api/graphql";

export const STATS = graphql(`
  query MessageStats($by: StatsPeriod!, $from: DateTime!, $to: DateTime!) {
    messageStats(by: $by, from: $from, to: $to) {
      startsAt
      charged
      counts {
        ...Counts
      }
    }
  }
`, [COUNTS]);

export type Stat = ResultOf<typeof STATS>["messageStats"][number];
export type Period = "HOUR" | "DAY";
