import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./app/app.css";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { renew } from "./api/session";
import { styleNonce } from "./app/theme";
import { readDashboard } from "./pages/start/StartPage";

// Dialogs lock the scrolling of the page by their own style element.
setNonce(styleNonce());

// Both take a round trip each: they need not wait for the first render. `App` repeats a failure.
renew().catch(() => undefined);
if (location.pathname === "/") void readDashboard();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
