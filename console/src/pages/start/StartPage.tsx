import { lazy } from "react";
import { can, useViewer } from "../../app/viewer";

// Each user needs only one of these.
const Dashboard = lazy(() => readDashboard().then((file) => ({ default: file.DashboardPage })));
const Group = lazy(() =>
  import("../group/GroupPage").then(({ GroupPage }) => ({ default: GroupPage })),
);
const Overview = lazy(() =>
  import("../overview/OverviewPage").then(({ OverviewPage }) => ({ default: OverviewPage })),
);

/** Loads the file of the dashboard before the viewer is known: most users open it first. */
export function readDashboard() {
  return import("../dashboard/DashboardPage");
}

/** The start page of each role. */
export function StartPage() {
  const viewer = useViewer();
  if (can(viewer, "admin")) return <Overview />;
  if (can(viewer, "supervisor")) return <Group />;
  return <Dashboard />;
}
