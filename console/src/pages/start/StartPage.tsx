import { lazy } from "react";
import { can, useViewer } from "../../app/viewer";

// Nobody needs more than one of these.
const Dashboard = lazy(() =>
  import("../dashboard/DashboardPage").then(({ DashboardPage }) => ({ default: DashboardPage })),
);
const Group = lazy(() =>
  import("../group/GroupPage").then(({ GroupPage }) => ({ default: GroupPage })),
);
const Overview = lazy(() =>
  import("../overview/OverviewPage").then(({ OverviewPage }) => ({ default: OverviewPage })),
);

/** The start page of each role. */
export function StartPage() {
  const viewer = useViewer();
  if (can(viewer, "admin")) return <Overview />;
  if (can(viewer, "supervisor")) return <Group />;
  return <Dashboard />;
}
