import { lazy } from "react";
import { can, useViewer } from "../../app/viewer";

// Nobody needs more than one of these.
const Dashboard = lazy(() => readDashboard().then((file) => ({ default: file.DashboardPage })));
const Group = lazy(() =>
  import("../group/GroupPage").then(({ GroupPage }) => ({ default: GroupPage })),
);
const Overview = lazy(() =>
  import("../overview/OverviewPage").then(({ OverviewPage }) => ({ default: OverviewPage })),
);

/** Reads the file of the dashboard, which most users open first: before it is known who it is. */
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
