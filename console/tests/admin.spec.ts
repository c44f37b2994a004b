// What operators do: give credits, settle what is unknown, assign, reconcile, audit.
import { readFileSync } from "node:fs";
import { ApiCaller } from "./api";
import { credits, expect, test, USERS } from "./console";

test("an admin gives credits with their value beside them, and the client sees them come", async ({
  browser,
  page,
  program,
  signIn,
}) => {
  test.setTimeout(120_000);
  const context = await browser.newContext({ baseURL: program.address });
  const client = await signIn("client", await context.newPage());
  const before = await (await ApiCaller.signedIn(program, USERS.client)).balance();
  await signIn("admin");
  await page.goto("/credits");
  await page.getByRole("button", { name: "Adjust the balance of Client" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Units").fill("5000");
  await expect(dialog).toContainText("5,000 × 0.03 = $150.00");
  await dialog.getByRole("button", { name: /^Give 5,000/ }).click();
  await expect(client.getByRole("banner")).toContainText(credits(before + 5_000));
  await expect(page.getByRole("table", { name: "Credits of clients" })).toContainText(credits(before + 5_000));
  await context.close();
});

test("a refusal is shown beside the field, in the API's words", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/users");
  await page.getByRole("button", { name: "Add a user" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Email").fill("new@ibiki.test");
  await dialog.getByLabel("Password").first().fill("x");
  await dialog.getByRole("combobox", { name: "Role" }).click();
  await page.getByRole("option", { name: "Administrator" }).click();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.locator('[id$="-error"]')).toContainText(/characters/);
});

test("an inbound message that belongs to nobody is assigned, and the client reads it", async ({
  page,
  program,
  signIn,
}) => {
  await signIn("admin");
  await page.goto("/webhooks");
  await ApiCaller.inbound(program, "+12025550143", "For whom is this?");
  await page.getByRole("button", { name: /^Assign/ }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("modem-7");
  await dialog.getByLabel("Assign to").click();
  await page.getByRole("option", { name: "Other" }).click();
  await dialog.getByRole("button", { name: "Assign" }).click();
  await expect(page.getByRole("table", { name: "Webhook events" })).toContainText("Routed");
});

test("unknown messages are settled after a preview, and the charge is given back", async ({
  page,
  program,
  signIn,
}) => {
  test.setTimeout(120_000);
  const client = await ApiCaller.signedIn(program, USERS.client);
  await client.send(["+12025550165", "+12025550172"], "Will this arrive?");
  await signIn("admin");
  await page.goto("/unknown");
  await expect(page.getByRole("row")).toHaveCount(3, { timeout: 60_000 });
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export as CSV" }).click();
  const exported = readFileSync(await (await downloading).path(), "utf8");
  expect(exported).toContain("12025550165");

  await page.getByRole("button", { name: "Settle many" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("The provider did not accept them").check();
  await dialog.getByRole("button", { name: "Preview" }).click();
  await expect(dialog).toContainText("2 messages, 2 credits. The charges are given back.");
  await dialog.getByLabel("How do you know?").fill("They are not in the provider's log.");
  await page.keyboard.press("Escape");
  await dialog.getByRole("button", { name: "Settle 2" }).click();
  await expect(page.getByRole("heading", { name: "No outcome is unknown" })).toBeVisible();
});

test("reconcile and audit say that all is well", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/reconcile");
  await page.getByRole("button", { name: "Reconcile" }).click();
  await expect(page.getByRole("dialog")).toContainText("No difference was found.");
  await page.goto("/audit");
  await page.getByRole("button", { name: "Run the audit" }).click();
  const newest = page.getByRole("region", { name: "Newest audit" });
  await expect(newest.getByText("The ledger is consistent")).toBeVisible();
  await page.reload();
  await expect(newest.getByText("The ledger is consistent")).toBeVisible();
});

test("credentials of a client that holds credits are refused, and the reason is shown", async ({
  page,
  signIn,
}) => {
  await signIn("admin");
  await page.goto("/providers");
  await page.getByRole("button", { name: "Set credentials" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Client", { exact: true }).click();
  await page.getByRole("option", { name: "Client", exact: true }).click();
  await dialog.getByLabel("Provider").fill("extreme");
  await dialog.getByLabel("User name").fill("school-7");
  await dialog.getByLabel("Password or key").fill("a secret");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.locator('[id$="-error"], [role="alert"]').first()).toContainText(/\w+ \w+/);
  await dialog.getByRole("button", { name: "Close" }).last().click();
});

test("a provider account is paused, and resumed", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/providers");
  const account = page.getByRole("region", { name: "The platform's account" }).first();
  await account.getByRole("button", { name: "Pause" }).click();
  await expect(account.getByText("The provider account is paused")).toBeVisible();
  await account.getByRole("button", { name: "Resume" }).click();
  await expect(account.getByText("The provider account is paused")).toHaveCount(0);
});

test("a provider account that cannot work is refused, and another is added", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/providers");
  await page.getByRole("button", { name: "Add an account" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Provider").click();
  await page.getByRole("option", { name: "extreme" }).click();
  await dialog.getByLabel("Name").fill("Second");
  await dialog.getByLabel("baseUrl").fill("no address");
  await dialog.getByLabel("apiKey").fill("a-secret");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByRole("alert")).toContainText("address");
  await dialog.getByLabel("baseUrl").fill("http://127.0.0.1:9");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("region", { name: /^Second,/ })).toBeVisible();
  await expect(page.getByText("a-secret")).toHaveCount(0);
});

test("a route sends a prefix by another account, and is deleted again", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/providers");
  const routes = page.getByRole("region", { name: "Routes by prefix" });
  await routes.getByRole("button", { name: "Set a route" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Prefix").fill("no digits");
  await dialog.getByLabel("Sent by").click();
  await page.getByRole("option", { name: "Second" }).click();
  await dialog.getByLabel("Cost of a message").fill("3");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.locator('[id$="-error"]')).toContainText("256");
  await dialog.getByLabel("Prefix").fill("256");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(routes.getByRole("row", { name: /\+256/ })).toContainText("Second, 3 credits");
  await routes.getByRole("button", { name: "Delete the route of +256" }).click();
  await expect(routes.getByRole("row", { name: /\+256/ })).toHaveCount(0);
});

test("a client below its threshold and the operator are warned", async ({
  browser,
  page,
  program,
  signIn,
}) => {
  const context = await browser.newContext({ baseURL: program.address });
  const client = await signIn("other", await context.newPage());
  await expect(client.getByText("The balance is low")).toHaveCount(0);
  await signIn("admin");
  await page.goto("/clients");
  await page.getByRole("button", { name: "Edit Other" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Low balance").fill("5000");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(client.getByText("The balance is low")).toBeVisible();
  await page.goto("/");
  await expect(page.getByRole("region", { name: "Alarms" })).toContainText("Clients are running low");
  await context.close();
});
