// Documents are typed from schema.graphql: `npm run schema` writes the types.
import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./schema-types";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: {
    Units: number;
    Money: string;
    PhoneNumber: string;
    DateTime: string;
    JSON: unknown;
  };
}>();

export type { ResultOf, VariablesOf } from "gql.tada";
export type Role = ReturnType<typeof graphql.scalar<"Role">>;
export type MessageStatus = ReturnType<typeof graphql.scalar<"MessageStatus">>;
