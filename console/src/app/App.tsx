import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Provider } from "urql";
import { createApi } from "../api/client";
import { onSessionChange, renew, sessionState } from "../api/session";
import { SignInPage } from "../pages/sign-in/SignInPage";
import { BalancesProvider } from "./balances";
import { BrandProvider } from "./brand";
import { router } from "./router";
import { Starting } from "./Starting";
import { cssVariables, styleNonce, theme } from "./theme";
import { ViewerProvider } from "./viewer";

const RETRY_MILLISECONDS = 2_000;

/** Everything: the sign-in page, or the console of the signed-in user. */
export function App() {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      cssVariablesResolver={cssVariables}
      getStyleNonce={styleNonce}
    >
      <Notifications position="bottom-right" />
      <Session />
    </MantineProvider>
  );
}

function Session() {
  const state = useSyncExternalStore(onSessionChange, sessionState);
  const [isUnreachable, setUnreachable] = useState(false);
  useEffect(() => {
    if (state !== "unknown") return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const begin = () =>
      renew().catch(() => {
        setUnreachable(true);
        timer = setTimeout(begin, RETRY_MILLISECONDS);
      });
    void begin();
    return () => clearTimeout(timer);
  }, [state]);

  if (state === "unknown") return <Starting isUnreachable={isUnreachable} />;
  // A new client for every session: nothing of a former one is kept.
  return <SessionContent key={state} isSignedIn={state === "signed-in"} />;
}

function SessionContent({ isSignedIn }: { isSignedIn: boolean }) {
  const [api, setApi] = useState<ReturnType<typeof createApi> | null>(null);
  useEffect(() => {
    const created = createApi();
    setApi(created);
    return created.close;
  }, []);
  if (api === null) return null;
  return (
    <Provider value={api.client}>
      <BrandProvider>
        {isSignedIn ? (
          // The socket opens for the balances while the viewer is still being read.
          <BalancesProvider>
            <ViewerProvider>
              <RouterProvider router={router} />
            </ViewerProvider>
          </BalancesProvider>
        ) : (
          <SignInPage />
        )}
      </BrandProvider>
    </Provider>
  );
}
