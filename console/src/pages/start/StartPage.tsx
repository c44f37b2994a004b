import { can, useViewer } from "../../app/viewer";
import { DashboardPage } from "../dashboard/DashboardPage";
import { GroupPage } from "../group/GroupPage";
import { OverviewPage } from "../overview/OverviewPage";

/** The start page of each role. */
export function StartPage() {
  const viewer = useViewer();
  if (can(viewer, "admin")) return <OverviewPage />;
  if (can(viewer, "supervisor")) return <GroupPage />;
  return <DashboardPage />;
}
