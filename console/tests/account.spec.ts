// What belongs to a user: sessions, drafts, and the errors that name a send.
import type { Page } from "@playwright/test";
import { ApiCaller } from "./api";
import { enter, expect, PLAIN, test, USERS } from "./console";

test("a user lists the sessions and signs out everywhere else", async ({ browser, page, program, signIn }) => {
  const context = await browser.newContext({ baseURL: program.address });
  const elsewhere = await signIn("supervisor", await context.newPage());
  await signIn("supervisor");
  await page.goto("/account");
  const sessions = page.getByRole("table", { name: "Sessions" });
  await expect(sessions).toContainText("This one");
  await page.getByRole("button", { name: "Sign out everywhere else" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  await expect(sessions.getByRole("row")).toHaveCount(2);
  await expect(elsewhere.getByRole("button", { name: "Sign in" })).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Account");
  await context.close();
});

test("a user changes the password and stays signed in, and others have to sign in again", async ({
  browser,
  page,
  program,
}) => {
  const admin = await ApiCaller.signedIn(program, USERS.admin);
  const email = "passwords@ibiki.test";
  await admin.ask(`mutation { createUser(input: {
    email: "${email}", password: "correct horse battery", role: ADMIN }) { __typename } }`);
  const context = await browser.newContext({ baseURL: program.address });
  const elsewhere = await context.newPage();
  async function signIn(on: Page, password: string) {
    await on.goto("/");
    await on.getByLabel("Email").fill(email);
    await on.getByLabel("Password", { exact: true }).fill(password);
    await on.getByRole("button", { name: "Sign in" }).click();
    await expect(on.getByRole("button", { name: "Your account and settings" })).toBeVisible();
  }
  for (const each of [elsewhere, page]) await signIn(each, "correct horse battery");
  await page.getByRole("button", { name: "Your account and settings" }).click();
  await page.getByRole("menuitem", { name: "Change password" }).click();
  const dialog = page.getByRole("dialog", { name: "Change password" });
  const current = dialog.getByLabel("Current password");
  const next = dialog.getByLabel("New password", { exact: true });
  const again = dialog.getByLabel("New password again");
  const save = dialog.getByRole("button", { name: "Change password" });
  await expect(current).toHaveAttribute("autocomplete", "current-password");
  await expect(next).toHaveAttribute("autocomplete", "new-password");
  await expect(again).toHaveAttribute("autocomplete", "new-password");

  await current.fill("wrong horse battery");
  await next.fill("another password");
  await again.fill("another passwort");
  await expect(again).toHaveAccessibleDescription(/not the same/);
  await expect(save).toBeDisabled();
  await again.fill("another password");
  await save.click();
  await expect(current).toHaveAccessibleDescription(/The current password is wrong/);
  await current.fill("another password");
  await save.click();
  await expect(next).toHaveAccessibleDescription(/must differ/);
  await current.fill("correct horse battery");
  await save.click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("Password changed")).toBeVisible();

  await expect(elsewhere.getByRole("button", { name: "Sign in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("button", { name: "Your account and settings" })).toBeVisible();
  await signIn(elsewhere, "another password");
  await context.close();
});

test("what was typed survives a session that ends, for the same user only", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.school);
  const text = page.getByRole("textbox", { name: "Text" });
  for (const [user, kept] of [["school", "Typed for an hour"], ["other", ""]] as const) {
    await signIn("school");
    await page.goto("/send");
    await text.fill("Typed for an hour");
    await caller.ask("mutation { endOtherSessions }");
    await expect(page.getByRole("status").filter({ hasText: "Your session has ended" })).toBeVisible();
    await enter(page, program, user);
    await expect(text).toHaveValue(kept);
    await page.getByRole("button", { name: "Your account and settings" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    await expect(page.getByRole("status")).toHaveCount(0);
  }
});

test("a form survives Escape and a session that ends, and does not survive its button", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.school);
  await signIn("school");
  await page.goto("/templates");
  const add = page.getByRole("button", { name: "Add a template" });
  const text = page.getByRole("dialog").getByRole("textbox", { name: "Text" });
  await add.click();
  await page.keyboard.press("Escape");
  await expect(text).toBeHidden();
  // Somebody without a mouse goes on where the form was opened.
  await expect(add).toBeFocused();
  await add.click();
  await text.fill("Typed for an hour");
  await page.keyboard.press("Escape");
  await caller.ask("mutation { endOtherSessions }");
  await expect(page.getByRole("status").filter({ hasText: "Your session has ended" })).toBeVisible();
  await enter(page, program, "school");
  await add.click();
  await expect(text).toHaveValue("Typed for an hour");
  await page.keyboard.press("Escape");
  await expect(text).toHaveValue("Typed for an hour");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await add.click();
  await expect(text).toHaveValue("");
});

test("what was typed survives a reload, and does not survive a sign-out", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  const text = page.getByRole("textbox", { name: "Text" });
  await text.fill("Nobody else must read this");
  await page.reload();
  await expect(text).toHaveValue("Nobody else must read this");
  await page.getByRole("button", { name: "Your account and settings" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  // A search would stay in the address.
  await expect(page).toHaveURL(/^[^/]*\/\/[^/]*\/$/);
  await signIn("other");
  await page.goto("/send");
  await expect(text).toHaveValue("");
});

test("what was searched for does not survive a sign-out, also not in the history", async ({
  page,
  program,
  signIn,
}) => {
  await signIn("client");
  await page.goto("/contacts");
  const search = page.getByRole("searchbox");
  await search.fill("Jane Doe");
  await expect(page.getByText("No contact found")).toBeVisible();
  await page.getByRole("link", { name: "Templates" }).click();
  await page.goBack();
  await expect(search).toHaveValue("Jane Doe");
  await page.getByRole("link", { name: "Templates" }).click();
  await page.getByRole("button", { name: "Your account and settings" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await enter(page, program, "other");
  await expect(page.getByRole("banner")).toContainText("Balance");
  await page.goBack();
  await expect(page).toHaveURL(/contacts$/);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Contacts");
  await expect(search).toHaveValue("");
});

test("the send page opens the tab again that was in use", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.getByRole("link", { name: "Contacts" }).click();
  await page.goBack();
  await expect(page.getByRole("tab", { name: "File" })).toHaveAttribute("aria-selected", "true");
});

test("if it is unknown whether a send was accepted, the error leads to the send", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.client);
  const sendId = await caller.send([PLAIN], "Was this accepted?");
  await signIn("client");
  await page.goto("/send");
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes("bulkSend(")) return route.continue();
    const result = { __typename: "OutcomeUnknown", message: "The outcome is unknown.", sendId };
    return route.fulfill({ json: { data: { result } } });
  });
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("textbox", { name: "Text" }).fill("Was this accepted?");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("The outcome is unknown.");
  await page.getByRole("link", { name: "Look whether the send exists" }).click();
  await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible();
});

test("a school checks its balance: the computed value, the raw reading and its age", async ({
  page,
  signIn,
}) => {
  await signIn("school");
  const sidebar = page.getByRole("navigation", { name: "Pages" });
  await sidebar.getByRole("button", { name: "Check balance" }).click();
  await expect(sidebar).toContainText(/Reading: .*(now|second)/);
  await expect(sidebar).toContainText(/[\d,]+ \w+/);
});

test("lists are filtered: sends by kind, contacts by opt-out, the statement by days", async ({
  page,
  program,
  signIn,
}) => {
  const caller = await ApiCaller.signedIn(program, USERS.client);
  await caller.send([PLAIN, "+12025550107"], "To be found");
  await signIn("client");
  await page.goto("/sends");
  const sends = page.getByRole("table", { name: "Sends" });
  await page.getByRole("combobox", { name: "Kind" }).click();
  await page.getByRole("option", { name: "One text to many" }).click();
  await expect(sends.getByRole("row").nth(1)).toContainText("One text to many");
  await page.getByLabel("To", { exact: true }).fill("2001-01-01");
  await expect(page.getByRole("heading", { name: "No send matches" })).toBeVisible();

  await page.goto("/statement");
  await expect(page.getByRole("table", { name: "Statement" })).toContainText("Send");
  await page.getByLabel("To", { exact: true }).fill("2001-01-01");
  await expect(page.getByRole("heading", { name: "No movement matches" })).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("To", { exact: true })).toHaveValue("2001-01-01");
  await expect(page.getByRole("heading", { name: "No movement matches" })).toBeVisible();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Sends" }).click();
  await page.goBack();
  await expect(page.getByRole("heading", { name: "No movement matches" })).toBeVisible();
  await page.goto("/statement?kind=NONE&from=2026-13-45&to=yesterday");
  await expect(page.getByRole("table", { name: "Statement" })).toContainText("Send");

  await page.goto("/contacts");
  await page.getByRole("searchbox").fill("2025550107");
  await expect(page.getByRole("table", { name: "Contacts" })).toContainText("(202) 555-0107");
  await page.getByRole("combobox", { name: "Opt-out" }).click();
  await page.getByRole("option", { name: "Opted out", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No contact found" })).toBeVisible();
});
