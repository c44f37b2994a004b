import { lazyRouteComponent, type RouteComponent } from "@tanstack/react-router";

const RETRY_MILLISECONDS = 2_000;

/**
 * A page in a separate file that is loaded when it is opened, or as soon as the server answers again.
 * If the file is missing then, the server has another release: the router reloads the window.
 */
export function lazyPage<Name extends string>(
  load: () => Promise<Record<Name, RouteComponent>>,
  name: Name,
): RouteComponent {
  async function loadPatiently() {
    for (;;) {
      try {
        return await load();
      } catch (error) {
        // A reload without a server would leave the user on the browser's own error page.
        if (await isServerReady()) throw error;
        await new Promise((done) => setTimeout(done, RETRY_MILLISECONDS));
      }
    }
  }
  return lazyRouteComponent(loadPatiently, name);
}

function isServerReady(): Promise<boolean> {
  return fetch("/healthz", { cache: "no-store" }).then(
    ({ ok }) => ok,
    () => false,
  );
}
