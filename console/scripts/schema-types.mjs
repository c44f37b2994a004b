// Writes the types of ../schema.graphql for gql.tada, so that every document is typed from it.
import { readFileSync, writeFileSync } from "node:fs";
import { minifyIntrospection, outputIntrospectionFile } from "@gql.tada/internal";
import { buildSchema, introspectionFromSchema } from "graphql";

const schema = buildSchema(readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8"));
const introspection = minifyIntrospection(introspectionFromSchema(schema));
const types = outputIntrospectionFile(introspection, {
  fileType: ".d.ts",
  shouldPreprocess: true,
});
const target = new URL("../src/api/schema-types.d.ts", import.meta.url);
const present = (() => {
  try {
    return readFileSync(target, "utf8");
  } catch {
    return "";
  }
})();
// An unchanged file keeps its time, so that watchers stay quiet.
if (present !== types) writeFileSync(target, types);
