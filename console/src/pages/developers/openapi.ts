/** The part of an OpenAPI 3.1 document that the page of the REST API shows. */
export interface Schema {
  $ref?: string;
  type?: string;
  title?: string;
  description?: string;
  examples?: unknown[];
  enum?: string[];
  const?: unknown;
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

interface Content {
  content?: { "application/json": { schema: Schema } };
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
}

interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  parameters?: Parameter[];
  requestBody?: Content;
  responses: Record<string, Content & { description: string }>;
}

export interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

/** A value of a request or an answer, as a row of a table. */
export interface Value {
  name: string;
  type: string;
  isRequired: boolean;
  description: string;
}

/** One endpoint, ready to be shown. `refusals`: the statuses of its errors, with their meanings. */
export interface Endpoint {
  name: string;
  method: string;
  path: string;
  summary: string;
  tag: string;
  call: string;
  given: Value[];
  answer: Value[];
  refusals: [string, string][];
}

/** The endpoints of a document, in its order. `address`: of this installation, for the calls. */
export function endpointsOf(document: OpenApi, address: string): Endpoint[] {
  const { schemas } = document.components;

  const found = (schema: Schema): Schema =>
    schema.$ref ? { ...schemas[schema.$ref.split("/").at(-1) ?? ""], ...schema } : schema;

  const typeOf = (schema: Schema): string => {
    const { type, items, anyOf, enum: words, const: fixed, title } = found(schema);
    if (fixed !== undefined) return JSON.stringify(fixed);
    if (words) return words.join(" | ");
    if (anyOf) return anyOf.map(typeOf).join(" or ");
    if (items) return `array of ${typeOf(items)}`;
    return (type === "object" ? title : type) ?? "anything";
  };

  const valuesOf = (content: Content | undefined): Value[] => {
    const whole = content?.content && found(content.content["application/json"].schema);
    const schema = whole?.items ? found(whole.items) : whole;
    return Object.entries(schema?.properties ?? {}).map(([name, value]) => ({
      name: whole?.items ? `[…].${name}` : name,
      type: typeOf(value),
      isRequired: schema?.required?.includes(name) ?? false,
      description: found(value).description ?? "",
    }));
  };

  const sampleOf = (schema: Schema): unknown => {
    const { examples, items, properties = {} } = found(schema);
    if (examples) return examples[0];
    if (items) return [sampleOf(items)];
    const samples = Object.entries(properties).map(([name, value]) => [name, sampleOf(value)] as const);
    return Object.fromEntries(samples.filter(([, sample]) => JSON.stringify(sample) !== "{}"));
  };

  const callOf = (method: string, path: string, body: Content | undefined): string => {
    const url = `"${address}${path.replace(/{(\w+)}/g, "$$ID")}"`;
    const lines = [`curl -s ${url}`, `-H "authorization: Bearer $API_KEY"`];
    if (method === "POST") lines.push(`-H "idempotency-key: order-$(date +%s)"`);
    if (body?.content) {
      const sample = JSON.stringify(sampleOf(body.content["application/json"].schema));
      lines.push(`-H 'content-type: application/json'`, `-d '${sample}'`);
    }
    return lines.join(" \\\n  ");
  };

  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, operation]) => {
      const method = verb.toUpperCase();
      const { responses, requestBody, parameters = [] } = operation;
      const named = parameters.map(({ name, in: place, required = false, description = "", schema }) => ({
        name: `${name} (${place})`,
        type: typeOf(schema),
        isRequired: required,
        description,
      }));
      return {
        name: operation.operationId,
        method,
        path,
        summary: operation.summary,
        tag: operation.tags[0] ?? "",
        call: callOf(method, path, requestBody),
        given: [...valuesOf(requestBody), ...named],
        answer: valuesOf(responses["200"]),
        refusals: Object.entries(responses)
          .filter(([status]) => status !== "200")
          .map(([status, { description }]): [string, string] => [status, description]),
      };
    }),
  );
}
