// The session of this browser: the access token in memory, the refresh token in a cookie that
// scripts cannot read. All tabs share one session: one tab refreshes it and tells the others.
import { forgetDrafts } from "./drafts";

interface Token {
  accessToken: string;
  /** From this time on, the token is renewed before it is used. */
  renewAt: number;
}

export type SessionState = "unknown" | "signed-in" | "signed-out";

type Notice = { kind: "token"; token: Token } | { kind: "signed-in" } | { kind: "signed-out" };

const RENEW_BEFORE_MILLISECONDS = 30_000;
/** A part of the token's life. Else a token that is valid for 30 s would be renewed for each request. */
const RENEW_BEFORE_AT_MOST = 1 / 3;

const channel = new BroadcastChannel("session");
const listeners = new Set<() => void>();
let token: Token | null = null;
let state: SessionState = "unknown";
let renewing: Promise<void> | null = null;
let ended = false;

/** A refusal of the session endpoint, in its own words. */
export class SessionError extends Error {
  constructor(
    message: string,
    readonly isSignedOut: boolean,
  ) {
    super(message);
  }
}

export function sessionState(): SessionState {
  return state;
}

/** Whether the session was ended by the server or by time, and not by this user in this browser. */
export function hasEnded(): boolean {
  return ended;
}

export function onSessionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The access token, renewed if it is about to expire. Null if nobody is signed in. */
export async function freshToken(): Promise<string | null> {
  if (isStale()) await renew();
  return token?.accessToken ?? null;
}

export function presentToken(): string | null {
  return token?.accessToken ?? null;
}

export function isStale(): boolean {
  return token === null || token.renewAt <= Date.now();
}

/** Marks the access token as no longer accepted, so that the next call renews it. */
export function markRefused(refused: string | null): void {
  if (token !== null && token.accessToken === refused) token = { ...token, renewAt: 0 };
}

export async function signIn(email: string, password: string): Promise<void> {
  storeToken(await post("sign-in", { email, password }));
  notifyTabs({ kind: "signed-in" });
}

export async function signOut(): Promise<void> {
  await post("sign-out", {});
  forgetUser();
  notifyTabs({ kind: "signed-out" });
}

/** Gets the next access token. One tab at a time asks; the others use its answer. */
export function renew(): Promise<void> {
  renewing ??= withLock(renewOnce).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renewOnce(): Promise<void> {
  if (!isStale()) return; // another tab has renewed it meanwhile
  try {
    const answer = await post("refresh", {});
    if (answer === null) endSession(state === "signed-in");
    else notifyTabs({ kind: "token", token: storeToken(answer) });
  } catch (error) {
    if (!(error instanceof SessionError) || !error.isSignedOut) throw error;
    endSession(true);
  }
}

function withLock(task: () => Promise<void>): Promise<void> {
  // Browsers have no locks on plain http addresses. There, it is enough that the
  // server accepts a token twice within 30 seconds.
  return "locks" in navigator ? navigator.locks.request("session", task) : task();
}

async function post(operation: string, body: object): Promise<unknown> {
  const response = await fetch(`/session/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  if (response.status === 204) return null;
  const answer: unknown = await response.json();
  if (!response.ok) throw new SessionError(messageOf(answer), response.status === 401);
  return answer;
}

function messageOf(answer: unknown): string {
  const { errors } = answer as { errors?: { message: string }[] };
  return errors?.[0]?.message ?? "The server did not answer as expected. Try again.";
}

function storeToken(answer: unknown): Token {
  // Not when it ends: the clock of this computer may be wrong.
  const { accessToken, expiresIn } = answer as { accessToken: string; expiresIn: number };
  const life = expiresIn * 1_000;
  const before = Math.min(RENEW_BEFORE_MILLISECONDS, life * RENEW_BEFORE_AT_MOST);
  token = { accessToken, renewAt: Date.now() + life - before };
  setState("signed-in");
  return token;
}

/** After a sign-out, the next user must find neither drafts nor filters in the address. */
function forgetUser(): void {
  forgetDrafts();
  history.replaceState(null, "", "/");
  endSession(false);
}

function endSession(hasEnded: boolean): void {
  token = null;
  ended = hasEnded;
  setState("signed-out");
}

function setState(next: SessionState): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

function notifyTabs(notice: Notice): void {
  channel.postMessage(notice);
}

channel.onmessage = ({ data }: MessageEvent<Notice>) => {
  if (data.kind === "token") {
    if (state === "signed-in") token = data.token;
  } else if (data.kind === "signed-out") {
    forgetUser();
  } else {
    // It may be another user: nothing of the former one may stay on the screen.
    location.reload();
  }
};
