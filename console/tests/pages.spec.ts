// Every page as every role, in both themes, checked by axe; and no page that a role may not see.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { ApiCaller } from "./api";
import { expect, test, type User, USERS } from "./console";

const SENDER = ["/", "/send", "/inbox", "/sends", "/contacts", "/templates", "/statement", "/endpoints", "/developers", "/developers/rest", "/account"];
const ADMIN = [
  "/",
  "/sends",
  "/clients",
  "/credits",
  "/statement",
  "/webhooks",
  "/lines",
  "/endpoints",
  "/unknown",
  "/providers",
  "/users",
  "/reconcile",
  "/audit",
  "/developers",
  "/developers/rest",
  "/account",
];
// `other` is a client as well: its pages are those of `client`.
const PAGES: [User, string[]][] = Object.entries({
  client: SENDER,
  school: SENDER,
  supervisor: ["/", "/statement", "/developers", "/developers/rest", "/account"],
  admin: ADMIN,
}) as [User, string[]][];
/** For these users, axe would find the same again as for `client`. */
const LIKE_CLIENTS: User[] = ["school", "supervisor"];
const SAME_PAGES = ["/developers", "/developers/rest", "/account"];
/** What another theme can change. The other rules would find the same again. */
const OF_COLOURS = ["color-contrast", "link-in-text-block"];
const ALL = [...new Set([...SENDER, ...ADMIN])];

test.beforeAll(async ({ program }) => {
  const client = await ApiCaller.signedIn(program, USERS.client);
  await client.send(["+12025550177", "+12025550178", "+12025550160", "12"], "Hello from the tests");
  await ApiCaller.inbound(program, "+12025550142", "Who is this?");
});

for (const [user, allowed] of PAGES) {
  test(`${user} finds every page of the role, and axe finds nothing`, async ({ page, signIn }) => {
    test.setTimeout(240_000);
    await signIn(user);
    for (const path of allowed) {
      await open(page, path);
      await expect(page.getByRole("heading", { name: "Not allowed" })).toHaveCount(0);
      if (LIKE_CLIENTS.includes(user) && SAME_PAGES.includes(path)) continue;
      await expectBothThemes(page, path);
    }
  });

  test(`${user} cannot open another role's pages by typing the address`, async ({ page, signIn }) => {
    await signIn(user);
    for (const path of ALL.filter((each) => !allowed.includes(each))) {
      await page.goto(path);
      await expect(page.getByRole("heading", { name: "Not allowed" })).toBeVisible();
    }
  });
}

test("one send and one conversation are accessible", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.client);
  const sendId = await caller.send(["+12025550177"], "Will you answer?");
  await signIn("client");
  await open(page, `/sends/${sendId}`);
  await expect(page.getByRole("region", { name: "State" })).toContainText("Finished");
  await expectBothThemes(page, "one send");
  await open(page, "/inbox");
  await page.getByRole("link", { name: /\(202\) 555-0177/ }).click();
  await expect(page.getByRole("log")).toContainText("Will you answer?");
  await expectBothThemes(page, "one conversation");
});

test("a dialog, a file and a notice are accessible", async ({ page, signIn }) => {
  await signIn("client");
  await open(page, "/contacts");
  await page.getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("dialog").getByRole("button", { name: "Close" })).toHaveCount(2);
  await expectNoViolations(page, "a dialog");
  await open(page, "/send");
  await page.getByRole("tab", { name: "File" }).click();
  const file = { name: "a.csv", mimeType: "text/csv", buffer: Buffer.from("Phone\n2025550101\n") };
  await page.locator('input[type="file"]').setInputFiles(file);
  await expect(page.getByRole("button", { name: "Remove the file" })).toBeVisible();
  await expect(page.getByText("Found in the file: Phone.")).toBeVisible();
  await expectNoViolations(page, "a file");
  await open(page, "/contacts");
  await page.route("**/graphql", (route) => route.abort());
  await page.getByRole("button", { name: "Export" }).click();
  await expect(page.getByText("The file was not saved")).toBeVisible();
  await expectNoViolations(page, "a notice");
});

test("the sign-in page and the page of an unknown address are accessible", async ({ page, signIn }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("IbikiSMS");
  await expectBothThemes(page, "sign-in");
  await signIn("client");
  await open(page, "/no/such/page");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Page not found");
  await expectBothThemes(page, "not found");
});

for (const [user, paths] of [["client", SENDER], ["admin", ADMIN]] as const) {
  test(`a phone and a tablet show every page of ${user} without scrolling sideways`, async ({ page, signIn }) => {
    await page.setViewportSize({ width: 360, height: 740 });
    await signIn(user);
    await lengthenAnswers(page);
    for (const path of paths) {
      await open(page, path);
      // 320 and 640 are a window of 1280 at 400 % and 200 %.
      for (const most of [320, 360, 640, 768, 1024]) {
        await page.setViewportSize({ width: most, height: 740 });
        const width = () => page.evaluate(() => document.documentElement.scrollWidth);
        await expect.poll(width, { message: `${path}, ${most}` }).toBeLessThanOrEqual(most);
        const cut = () => page.evaluate(lastColumnsThatAreCut);
        await expect.poll(cut, { message: `${path}, ${most}` }).toEqual([]);
      }
    }
  });
}

test("high contrast shows which page is open, which choice is made, and what a colour means", async ({
  page,
  signIn,
}) => {
  await page.emulateMedia({ forcedColors: "active" });
  await signIn("client");
  const entry = page.getByRole("link", { name: "Overview" });
  await expect(entry).toHaveCSS("outline-style", "solid");
  await expect(page.getByRole("link", { name: "Sends" })).toHaveCSS("outline-style", "none");
  const legend = page.getByRole("region", { name: "Messages of the last 14 days" }).getByRole("listitem");
  await expect(legend.locator(".mantine-ColorSwatch-colorOverlay").first()).toHaveCSS("forced-color-adjust", "none");
  await page.goto("/account");
  await expect(page.locator("label", { hasText: "As the system" })).toHaveCSS("outline-style", "solid");
});

test("the menu of a phone leads to the pages", async ({ page, signIn }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes("query Unread")) return route.continue();
    const nodes = [{ __typename: "Conversation", id: "a", unread: 3 }];
    return route.fulfill({ json: { data: { inbox: { __typename: "ConversationConnection", nodes } } } });
  });
  await signIn("client");
  await page.getByRole("button", { name: "Open the menu, 3 unread" }).click();
  await page.getByRole("link", { name: "Inbox" }).click();
  // The menu is closed: the focus must not stay in it.
  await expect(page.getByRole("heading", { level: 1, name: "Inbox" })).toBeFocused();
});

/** The tables whose last column is outside of the page, and the buttons of the header that are. */
function lastColumnsThatAreCut(): string[] {
  const most = document.documentElement.clientWidth - 8;
  return [...document.querySelectorAll("table:not(.visually-hidden table), header button")]
    .filter((each) => each.getBoundingClientRect().right > most)
    .map((each) => each.ariaLabel ?? "");
}

/** Gives the answers times of another day, large amounts and a client with a long name. */
async function lengthenAnswers(page: Page): Promise<void> {
  const day = `"${new Date().getFullYear()}-01-28T`;
  await page.route("**/graphql", async (route) => {
    const response = await route.fetch();
    const body = (await response.text())
      .replace(/"\d{4}-\d\d-\d\dT/g, day)
      .replace(/"(amount|balance|balanceAfter|charged|accepted|pool)":-?\d+/g, '"$1":888888')
      .replace(/"name":"Client"/g, '"name":"Boarding Secondary School of Abeeeeeeeeeeeeeeeeeeee"');
    await route.fulfill({ response, body });
  });
}

async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
}

async function expectBothThemes(page: Page, what: string): Promise<void> {
  await showTheme(page, "light");
  await expectNoViolations(page, `${what}, light`);
  await showTheme(page, "dark");
  await expectNoViolations(page, `${what}, dark`, OF_COLOURS);
}

async function showTheme(page: Page, colorScheme: "light" | "dark"): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", colorScheme);
}

async function expectNoViolations(page: Page, what: string, rules: string[] = []): Promise<void> {
  await allTransitionsEnded(page);
  const axe = new AxeBuilder({ page });
  const { violations } = await (rules.length > 0 ? axe.withRules(rules) : axe).analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("\n   ")}`,
  );
  expect(found, what).toEqual([]);
}

/** Waits until no colour is between two values any more: axe would measure one of those. */
async function allTransitionsEnded(page: Page): Promise<void> {
  await page.evaluate(async () => {
    // Changes of the styles start their transitions with the next frame.
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    const changes = document.getAnimations().filter((each) => each instanceof CSSTransition);
    await Promise.allSettled(changes.map((each) => each.finished));
  });
}
