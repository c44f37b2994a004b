import { createContext, type ReactNode, useContext } from "react";
import { keepDraftsOf } from "../api/drafts";
import { graphql, type ResultOf } from "../api/graphql";
import { useData } from "../api/useData";
import { Starting } from "./Starting";

const VIEWER = graphql(`
  query Viewer {
    viewer {
      id
      email
      role
      client {
        id
        name
        status
      }
      group {
        id
        name
      }
    }
  }
`);

export type Viewer = ResultOf<typeof VIEWER>["viewer"];

/** What a viewer can do here: pages name the one that they need. */
export type Ability = "everybody" | "sender" | "supervisor" | "admin" | "reader";

const ViewerContext = createContext<Viewer | null>(null);

export function ViewerProvider({ children }: { children: ReactNode }) {
  const { data, failure } = useData(VIEWER, {});
  if (!data) return <Starting isUnreachable={failure !== null} />;
  keepDraftsOf(data.viewer.id);
  return <ViewerContext value={data.viewer}>{children}</ViewerContext>;
}

export function useViewer(): Viewer {
  const viewer = useContext(ViewerContext);
  if (viewer === null) throw new Error("useViewer is called outside of ViewerProvider");
  return viewer;
}

export function can(viewer: Viewer, ability: Ability): boolean {
  switch (ability) {
    case "everybody":
      return true;
    case "sender":
      return viewer.client !== null;
    case "supervisor":
      return viewer.role === "SUPERVISOR";
    case "admin":
      return viewer.role === "ADMIN";
    case "reader":
      return viewer.role === "ADMIN" || viewer.client !== null;
  }
}
