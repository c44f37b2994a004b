// What costs money is done once, also if its answer is lost and the page is opened again.
import { writeFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { ApiCaller } from "./api";
import { expect, PLAIN, test, USERS } from "./console";

const UNREACHABLE = "The server could not be reached";

test("a send whose answer is lost is not sent again after a reload", async ({ page, program, signIn }) => {
  const caller = await ApiCaller.signedIn(program, USERS.other);
  const before = await caller.balance();
  await signIn("other");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("textbox", { name: "Text" }).fill("Only once");
  await loseAnswer(page, "mutation SendToAll");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText(UNREACHABLE);
  await page.reload();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible();
  expect(await caller.balance()).toBe(before - 1);
});

test("a send whose answer is lost is not sent again if the browser cannot store its key", async ({ page, program, signIn }) => {
  const caller = await ApiCaller.signedIn(program, USERS.other);
  const before = await caller.balance();
  await page.addInitScript(() => {
    const keep = Storage.prototype.setItem;
    Storage.prototype.setItem = function (name, value) {
      if (name.startsWith("draft:")) throw new DOMException("full", "QuotaExceededError");
      keep.call(this, name, value);
    };
  });
  await signIn("other");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("textbox", { name: "Text" }).fill("Only once, and no storage");
  await loseAnswer(page, "mutation SendToAll");
  const send = page.getByRole("button", { name: "Send", exact: true });
  await send.click();
  await expect(page.getByRole("alert")).toContainText(UNREACHABLE);
  await send.click();
  await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible();
  expect(await caller.balance()).toBe(before - 1);
});

test("a file whose answer is lost is not sent again if it is chosen again", async ({ page, program, signIn }, testInfo) => {
  const file = testInfo.outputPath("once.csv");
  writeFileSync(file, "Phone\n2025550101\n2025550102\n");
  const caller = await ApiCaller.signedIn(program, USERS.other);
  const before = await caller.balance();
  await signIn("other");
  const send = page.getByRole("button", { name: "Send 2 messages" });
  await chooseFile(page, file);
  await loseAnswer(page, "mutation SendFile");
  await send.click();
  await expect(page.getByRole("alert")).toContainText(UNREACHABLE);
  await page.reload();
  await chooseFile(page, file);
  await send.click();
  await expect(page.getByRole("alert")).toContainText("This was already sent.");
  expect(await caller.balance()).toBe(before - 2);
});

test("units are given once if the answer is lost and the dialog is opened again", async ({ page, program, signIn }) => {
  const client = await ApiCaller.signedIn(program, USERS.other);
  const before = await client.balance();
  await signIn("admin");
  await page.goto("/credits");
  await loseAnswer(page, "mutation Allocate");
  await give(page);
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText(UNREACHABLE);
  await page.reload();
  await give(page);
  await expect(page.getByRole("dialog")).toBeHidden();
  expect(await client.balance()).toBe(before + 7);
});

test("a send that is to leave later is still to leave later after a reload", async ({ page, signIn }) => {
  await signIn("other");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Text" }).fill("Later");
  const later = page.getByLabel("Send later");
  await later.fill("2099-01-02T08:30");
  await page.reload();
  await expect(page.getByRole("textbox", { name: "Text" })).toHaveValue("Later");
  await expect(later).toHaveValue("2099-01-02T08:30");
});

test("a quote and a list that failed are read again when the network is back", async ({ page, signIn }) => {
  await signIn("other");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  const send = page.getByRole("button", { name: "Send", exact: true });
  await page.route("**/graphql", (route) => route.abort());
  await page.getByRole("textbox", { name: "Text" }).fill("After an interruption");
  await expect(page.getByRole("alert")).toContainText(UNREACHABLE);
  await expect(send).toBeDisabled();
  await page.unroute("**/graphql");
  await expect(send).toBeEnabled();
  await expect(page.getByRole("alert")).toHaveCount(0);

  await page.route("**/graphql", (route) => {
    return route.request().postData()?.includes("query Contacts") ? route.abort() : route.continue();
  });
  await page.getByRole("link", { name: "Contacts" }).click();
  await expect(page.getByRole("alert")).toContainText(UNREACHABLE);
  await page.unroute("**/graphql");
  await expect(page.getByRole("table", { name: "Contacts" }).or(page.getByText("No contacts yet"))).toBeVisible();
});

/** The server gets the next request of that name, and its answer does not arrive. */
async function loseAnswer(page: Page, name: string): Promise<void> {
  let isLost = false;
  await page.route("**/graphql", async (route) => {
    if (isLost || !route.request().postData()?.includes(name)) return route.continue();
    isLost = true;
    await route.fetch();
    return route.abort();
  });
}

async function chooseFile(page: Page, file: string): Promise<void> {
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.locator('input[type="file"]').setInputFiles(file);
  await page.getByRole("textbox", { name: "Text" }).fill("To all once");
}

async function give(page: Page): Promise<void> {
  await page.getByRole("searchbox").fill("Other");
  await page.getByRole("button", { name: /^Adjust the balance of Other/ }).click();
  await page.getByRole("textbox", { name: "Units" }).fill("7");
  await page.getByRole("button", { name: "Give 7 credits" }).click();
}
