import "./styleNonce";
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./explorer.css";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { useComputedColorScheme } from "@mantine/core";
import { GraphiQL } from "graphiql";
import { buildSchema } from "graphql";
import { useEffect, useMemo, useState } from "react";
import sdl from "../../../../schema.graphql?raw";
import { freshToken } from "../../api/session";
import { createSocket } from "../../api/socket";
import { Page } from "../../components/Page";

// The schema comes with the console: installations in production refuse introspection.
const schema = buildSchema(sdl);

const FIRST_QUERY = `# You are signed in as yourself: what you run here is real.
query Hello {
  viewer {
    email
    role
  }
  balances {
    account {
      balance
      unit
    }
  }
}
`;

async function fetchSignedIn(url: RequestInfo | URL, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const accessToken = await freshToken();
  if (accessToken !== null) headers.set("authorization", `Bearer ${accessToken}`);
  return fetch(url, { ...options, headers });
}

/** GraphiQL, signed in as the viewer. */
export function ExplorerPage() {
  const isDark = useComputedColorScheme("light") === "dark";
  const [socket] = useState(createSocket);
  useEffect(() => () => void socket.dispose(), [socket]);
  const fetcher = useMemo(
    () => createGraphiQLFetcher({ url: "/graphql", fetch: fetchSignedIn, wsClient: socket }),
    [socket],
  );
  return (
    <Page title="Explorer" description="Every query, mutation and subscription of the API, with its description.">
      <div className="explorer">
        <GraphiQL
          fetcher={fetcher}
          schema={schema}
          initialQuery={FIRST_QUERY}
          defaultQuery={FIRST_QUERY}
          isHeadersEditorEnabled={false}
          showPersistHeadersSettings={false}
          forcedTheme={isDark ? "dark" : "light"}
        />
      </div>
    </Page>
  );
}
