// A long list, and a dashboard that gets 60 updates a second. The figures are printed.
import type { Page, WebSocketRoute } from "@playwright/test";
import { isBusy } from "./budget";
import { credits, expect, test } from "./console";

const ROWS = 100_000;
const UPDATES = 300;
const UPDATES_A_SECOND = 60;
/** A frame that takes longer is felt as a pause. */
const LONGEST_FRAME_MILLISECONDS = 200;

test("a list of 100,000 rows scrolls, and only the rows in view exist", async ({ page, signIn }) => {
  await signIn("client");
  await page.route("**/graphql", async (route) => {
    const asked = route.request().postDataJSON() as { query: string };
    if (!asked.query.includes("query Sends")) return route.continue();
    return route.fulfill({ json: { data: { sends: longList() } } });
  });
  await page.goto("/sends");
  const table = page.getByRole("table", { name: "Sends" });
  await expect(table.getByRole("row").nth(1)).toContainText("100,000");
  await watchFrames(page);
  for (let screen = 0; screen < 10; screen += 1) await page.mouse.wheel(0, 2_000);
  // Rows are measured when they are first drawn, so that the end of the list moves a little.
  await expect(async () => {
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    await expect(table.getByRole("row").last()).toContainText("1 Sent", { timeout: 1_000 });
  }).toPass({ timeout: 30_000 });
  const rows = await table.getByRole("row").count();
  const frames = await framesOf(page);
  console.log(`${ROWS} rows: ${rows} exist at the end, the longest frame took ${frames.longest} ms`);
  expect(rows).toBeLessThan(100);
  if (!isBusy()) expect(frames.longest).toBeLessThanOrEqual(2 * LONGEST_FRAME_MILLISECONDS);
});

test("a printed list has all its rows and no menu", async ({ page, signIn }) => {
  await signIn("client");
  await page.route("**/graphql", async (route) => {
    const asked = route.request().postDataJSON() as { query: string };
    if (!asked.query.includes("query Sends")) return route.continue();
    return route.fulfill({ json: { data: { sends: longList(300) } } });
  });
  await page.goto("/sends");
  const rows = page.getByRole("table", { name: "Sends" }).getByRole("row");
  await expect(rows.nth(1)).toContainText("300");
  expect(await rows.count()).toBeLessThan(100);
  // Chromium prints without these events for a script: a person's command causes both.
  await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  await page.emulateMedia({ media: "print" });
  expect(await rows.count()).toBe(301);
  await expect(page.getByRole("navigation")).toHaveCount(0);
  await page.emulateMedia({ media: "screen" });
  await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
  await expect(page.getByRole("navigation").first()).toBeVisible();
  await expect.poll(() => rows.count()).toBeLessThan(100);
});

test("a text is typed without pauses while 10,000 numbers are in the box", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).evaluate((box: HTMLTextAreaElement) => {
    const numbers = Array.from({ length: 10_000 }, (_, index) => `+1202555${String(index).padStart(4, "0")}`);
    box.setRangeText(numbers.join("\n"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const text = page.getByRole("textbox", { name: "Text" });
  await text.fill("H");
  await expect(page.getByRole("region", { name: "Quote" })).toContainText("Will be sent to");
  await watchFrames(page);
  await text.pressSequentially("ello there");
  const frames = await framesOf(page);
  console.log(`10,000 numbers: the longest frame took ${frames.longest} ms`);
  if (!isBusy()) expect(frames.longest).toBeLessThanOrEqual(LONGEST_FRAME_MILLISECONDS);
});

test("60 updates a second do not freeze the dashboard", async ({ page, signIn }) => {
  const push = await pushedBalances(page);
  await signIn("client");
  await expect(page.getByRole("region", { name: "Balance" })).toBeVisible();
  await watchFrames(page);
  await push(UPDATES);
  await expect(page.getByRole("region", { name: "Balance" })).toContainText(credits(50_000 + UPDATES));
  const frames = await framesOf(page);
  console.log(
    `${UPDATES_A_SECOND} updates a second: ${frames.count} frames, the longest took ${frames.longest} ms`,
  );
  if (!isBusy()) expect(frames.longest).toBeLessThanOrEqual(LONGEST_FRAME_MILLISECONDS);
});

function longList(rows = ROWS) {
  const counts = { queued: 0, submitting: 0, delivered: 0, undelivered: 0, rejected: 0 };
  const nodes = Array.from({ length: rows }, (_, index) => ({
    __typename: "Send",
    id: `send-${index}`,
    createdAt: new Date(Date.UTC(2026, 0, 1) - index * 60_000).toISOString(),
    kind: "BULK",
    charged: rows - index,
    accepted: rows - index,
    rejectedCount: 0,
    finished: true,
    counts: { ...counts, unknown: 0, cancelled: 0, sent: rows - index },
  }));
  return { nodes, pageInfo: { hasNextPage: false, endCursor: null }, totalCount: rows };
}

interface Pushed {
  id: string;
  type: string;
  payload: { data?: { balanceUpdated?: { version: number; account: { balance: number } } } };
}

/** Repeats the newest balances as often as wanted, each with a new version and figure. */
async function pushedBalances(page: Page): Promise<(times: number) => Promise<void>> {
  let newest: Pushed | null = null;
  let client: WebSocketRoute | null = null;
  await page.routeWebSocket(/graphql/, (socket) => {
    client = socket;
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(String(text)) as Pushed;
      if (message.payload?.data?.balanceUpdated) newest = message;
      socket.send(text);
    });
  });
  return async (times) => {
    const message = newest;
    const update = message?.payload.data?.balanceUpdated;
    if (!message || !update) throw new Error("no balances have arrived");
    for (let sent = 1; sent <= times; sent += 1) {
      update.version += 1;
      update.account.balance = 50_000 + sent;
      client?.send(JSON.stringify(message));
      await new Promise((done) => setTimeout(done, 1_000 / UPDATES_A_SECOND));
    }
  };
}

type Watched = Window & { frameTimes?: number[] };

/** Notes how long each frame takes from now on. */
async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(() => {
    const frames: number[] = [];
    (window as Watched).frameTimes = frames;
    let last = performance.now();
    const note = (now: number) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
  });
}

async function framesOf(page: Page): Promise<{ count: number; longest: number }> {
  const frames = await page.evaluate(() => (window as Watched).frameTimes ?? []);
  return { count: frames.length, longest: Math.round(Math.max(...frames)) };
}
