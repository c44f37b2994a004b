// What happens around the pages: other tabs, a server that becomes unavailable, tokens that end.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ApiCaller } from "./api";
import { credits, expect, PLAIN, test, USERS } from "./console";
import { Program } from "./program";

const LOST = "The connection is lost.";

test("tabs share the session: a balance moves in both, and a sign-out ends both", async ({
  context,
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.other);
  const before = await caller.balance();
  await signIn("other");
  const second = await context.newPage();
  await second.goto("/");
  await expect(second.getByRole("banner")).toContainText(credits(before));
  await caller.send(["+12025550101"], "For both tabs");
  for (const tab of [page, second]) {
    await expect(tab.getByRole("banner")).toContainText(credits(before - 1));
  }
  await page.getByRole("button", { name: "Your account and settings" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  for (const tab of [page, second]) {
    await expect(tab.getByRole("button", { name: "Sign in" })).toBeVisible();
  }
});

test("tabs that are opened at the same moment all stay signed in", async ({ context, signIn }) => {
  await signIn("client");
  const tabs = await Promise.all([1, 2, 3].map(() => context.newPage()));
  await Promise.all(tabs.map((tab) => tab.goto("/sends")));
  for (const tab of tabs) {
    await expect(tab.getByRole("heading", { level: 1 })).toHaveText("Sends");
  }
});

test("a page survives a restart of the server and shows what happened meanwhile", async ({
  page,
  program,
  signIn,
}) => {
  test.setTimeout(120_000);
  await signIn("client");
  await page.goto("/sends");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sends");
  await program.down();
  await expect(page.getByText(LOST)).toBeVisible();
  await program.up();
  await expect(page.getByText(LOST)).toHaveCount(0, { timeout: 30_000 });
  const caller = await ApiCaller.signedIn(program, USERS.client);
  await caller.send(["+12025550102", "+12025550103", "+12025550104"], "After the restart");
  const newest = page.getByRole("table", { name: "Sends" }).getByRole("row").nth(1);
  await expect(newest).toContainText("3 Sent");
});

test("a send while the database is unavailable is refused in plain words and works afterwards", async ({
  page,
  program,
  signIn,
}) => {
  test.setTimeout(120_000);
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("textbox", { name: "Text" }).fill("During an outage");
  const button = page.getByRole("button", { name: "Send", exact: true });
  await expect(button).toBeEnabled();

  const database = readFileSync(join(program.directory, "postgres/postmaster.pid"), "utf8");
  const postmaster = database.split("\n")[0] ?? "";
  const signal = (name: string) => {
    const children = execFileSync("ps", ["--ppid", postmaster, "-o", "pid="], { encoding: "utf8" });
    for (const pid of [postmaster, ...children.split(/\s+/)]) {
      if (!pid) continue;
      try {
        process.kill(Number(pid), name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it has just ended
      }
    }
  };
  signal("SIGSTOP");
  try {
    await button.click();
    await expect(page.getByRole("alert").first()).toBeVisible({ timeout: 40_000 });
  } finally {
    signal("SIGCONT");
  }
  await expect(async () => {
    await button.click();
    await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible({ timeout: 5_000 });
  }).toPass({ timeout: 40_000 });
});

test("an access token that ends is renewed under an open page, and live updates continue", async ({
  browser,
}) => {
  const short = await Program.start({ TOKEN_ACCESS_SECONDS: "10" });
  const context = await browser.newContext({ baseURL: short.address });
  try {
    const page = await context.newPage();
    // The socket is closed when its token ends; the page opens another one with the next token.
    const renewed = page.waitForEvent("websocket").then((first) => Promise.all([
      first.waitForEvent("close", { timeout: 60_000 }),
      page.waitForEvent("websocket", { timeout: 60_000 }),
    ]));
    await page.goto("/");
    await page.getByLabel("Email").fill(USERS.client);
    await page.getByLabel("Password", { exact: true }).fill(short.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("banner")).toContainText("1,000 credits");
    await renewed;
    const caller = await ApiCaller.signedIn(short, USERS.client);
    await caller.send(["+12025550105"], "After the renewal");
    await expect(page.getByRole("banner")).toContainText("999 credits");
    await expect(page.getByText(LOST)).toHaveCount(0);
  } finally {
    await context.close();
    await short.remove();
  }
});

test("a computer whose clock is a day ahead asks for no new token with each request", async ({ page, signIn }) => {
  let renewals = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/session/refresh")) renewals += 1;
  });
  await page.clock.setFixedTime(Date.now() + 86_400_000);
  await signIn("client");
  renewals = 0;
  for (const title of ["Sends", "Contacts", "Statement"]) {
    await page.getByRole("link", { name: title }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(title);
  }
  expect(renewals).toBe(0);
});

test("a long name leaves room for the numbers of contacts on a phone, and opt-outs are readable", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.client);
  const save = "mutation ($input: SaveContactInput!) { saveContact(input: $input) { __typename } }";
  const input = { number: "+12025550119", name: "Long".repeat(40), optedOut: true };
  await caller.ask(save, { input });
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn("client");
  await page.goto("/contacts");
  const row = page.getByRole("row").filter({ hasText: "(202) 555-0119" });
  for (const each of [row.getByText("(202) 555-0119"), row.getByRole("button"), row.getByText("Opted out")]) {
    const box = await each.boundingBox();
    expect((box?.x ?? 999) + (box?.width ?? 0)).toBeLessThanOrEqual(390);
  }
});

test("an export that fails says so", async ({ page, signIn }) => {
  await signIn("client");
  for (const [path, name] of [["/contacts", "Export"], ["/statement", "Download as CSV"]] as const) {
    await page.goto(path);
    const button = page.getByRole("button", { name, exact: true });
    await expect(button).toBeVisible();
    await page.route("**/graphql", (route) => route.abort());
    await button.click();
    const note = page.getByRole("alert").filter({ hasText: "The file was not saved" });
    await expect(note).toContainText("The server could not be reached");
    await page.unroute("**/graphql");
  }
});

test("a page that is opened first while the server is down appears when it is back", async ({
  page,
  program,
  signIn,
}) => {
  test.setTimeout(120_000);
  await signIn("client");
  await page.goto("/sends");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sends");
  await program.down();
  await expect(page.getByText(LOST)).toBeVisible();
  await page.getByRole("link", { name: "Templates" }).click();
  // Nothing may replace the page before its file can be read.
  await page.waitForEvent("requestfailed", (request) => request.url().endsWith("/healthz"));
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
  await program.up();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Templates");
});

test("a page whose file is missing says so, and the other pages stay usable", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/sends");
  await page.route("**/assets/TemplatesPage*", (route) => route.fulfill({ status: 404 }));
  await page.getByRole("link", { name: "Templates" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("This page cannot be shown");
  await page.getByRole("link", { name: "Contacts" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Contacts");
});
