// Whether live updates arrive. Everything that shows data reads again after a reconnection.

export const UNREACHABLE = "The server could not be reached. Check the connection and try again.";

type Connection = "connecting" | "connected" | "lost";

const listeners = new Set<() => void>();
let connection: Connection = "connecting";
let reconnectionCount = 0;

export function connectionState(): Connection {
  return connection;
}

/** How often the connection came back: what happened meanwhile has to be read again. */
export function reconnections(): number {
  return reconnectionCount;
}

export function onConnectionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function noteConnected(): void {
  if (connection === "lost") reconnectionCount += 1;
  setState("connected");
}

export function noteLost(): void {
  setState("lost");
}

function setState(next: Connection): void {
  if (connection === next) return;
  connection = next;
  for (const listener of listeners) listener();
}
