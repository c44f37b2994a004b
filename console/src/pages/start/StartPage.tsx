import { useViewer } from "../../app/viewer";
import { DashboardPage } from "../dashboard/DashboardPage";

/** The start page of each role. */
export function StartPage() {
  const viewer = useViewer();
  void viewer;
  return <DashboardPage />;
}
