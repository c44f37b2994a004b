// Whether live updates arrive. Everything that shows data reads again after a reconnection.

export const UNREACHABLE = "The server cannot be reached. Check the connection and try again.";

type Connection = "connecting" | "connected" | "lost";

const listeners = new Set<() => void>();
let connection: Connection = "connecting";
let epoch = 0;

export function connectionState(): Connection {
  return connection;
}

/** Grows with every reconnection: what happened meanwhile has to be read again. */
export function connectionEpoch(): number {
  return epoch;
}

export function onConnectionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function noteConnected(): void {
  if (connection === "lost") epoch += 1;
  become("connected");
}

export function noteLost(): void {
  become("lost");
}

function become(next: Connection): void {
  if (connection === next) return;
  connection = next;
  for (const listener of listeners) listener();
}
