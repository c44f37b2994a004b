import { Alert } from "@mantine/core";
import type { ReactNode } from "react";
import type { Failure } from "../api/useAction";
import { TextLink } from "./links";

/** Why something failed, in the API's words. `fields`: shown beside their inputs instead. */
export function FailureNote({
  failure,
  fields = [],
  children,
}: {
  failure: Failure | null;
  fields?: string[];
  children?: ReactNode;
}) {
  if (!failure || (failure.field !== null && fields.includes(failure.field))) return null;
  return (
    <Alert color="red" variant="outline" role="alert">
      {failure.message}
      {failure.sendId && (
        <>
          {" "}
          <TextLink to="/sends/$sendId" params={{ sendId: failure.sendId }}>
            Look whether the send exists
          </TextLink>
        </>
      )}
      {children}
    </Alert>
  );
}

/** The message for one input, if the failure is about it. */
export function problemOf(failure: Failure | null, field: string): string | null {
  return failure?.field === field ? failure.message : null;
}
