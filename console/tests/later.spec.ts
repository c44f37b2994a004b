// Sends that leave later: scheduled, held during quiet hours, and from templates.
import { ApiCaller } from "./api";
import { expect, PLAIN, test, USERS } from "./console";

test("a template is saved, sent later, found among the scheduled sends and cancelled", async ({
  page,
  signIn,
}) => {
  await signIn("client");
  await page.goto("/templates");
  await page.getByRole("button", { name: "Add a template" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Order ready");
  await dialog.getByRole("textbox", { name: "Text" }).fill("Hello {{name}}, it is ready.");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("table", { name: "Templates" })).toContainText("Order ready");

  await page.getByRole("link", { name: "Send", exact: true }).click();
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("combobox", { name: "Template" }).click();
  await page.getByRole("option", { name: "Order ready" }).click();
  const send = page.getByRole("button", { name: "Send", exact: true });
  await expect(send).toBeDisabled();
  await page.getByRole("textbox", { name: "Value for name" }).fill("Ada");
  const later = page.getByLabel("Send later");
  await expect(page.getByText(/In the time zone of this device, /)).toBeVisible();
  await later.fill(await tomorrow(page));
  await page.getByRole("button", { name: "Schedule", exact: true }).click();

  await expect(page.getByRole("region", { name: "State" })).toContainText("Scheduled for");
  await expect(page.getByRole("table")).toContainText("Hello Ada, it is ready.");
  await page.getByRole("link", { name: "Sends", exact: true }).click();
  await page.getByRole("checkbox", { name: "Only scheduled" }).check();
  const sends = page.getByRole("table", { name: "Sends" });
  await expect(sends.getByRole("row")).toHaveCount(2);
  await sends.getByRole("link").first().click();
  await page.getByRole("button", { name: "Cancel what is queued" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the send" }).click();
  await expect(page.getByRole("region", { name: "State" })).toContainText("Finished");
});

test("messages of a cancelled send are shown as cancelled, also before their events arrive", async ({
  page,
  program,
  signIn,
}) => {
  const client = await ApiCaller.signedIn(program, USERS.client);
  const send = `mutation ($at: DateTime!, $to: String!) { bulkSend(input: { to: [$to], text: "Later", sendAt: $at }) {
    ... on Send { id } ... on UserError { message } } }`;
  const at = new Date(Date.now() + 24 * 3_600_000).toISOString();
  const { bulkSend } = await client.ask<{ bulkSend: { id: string } }>(send, { at, to: PLAIN });
  await page.routeWebSocket(/graphql/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => String(text).includes('"messageUpdated"') || socket.send(text));
  });
  await signIn("client");
  await page.goto(`/sends/${bulkSend.id}`);
  const messages = page.getByRole("table", { name: "Messages of this send" });
  await expect(messages).toContainText("Queued");
  await page.getByRole("button", { name: "Cancel what is queued" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the send" }).click();
  await expect(messages).toContainText("Cancelled");
});

test("a client sets quiet hours, sees what is held, and ends them", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/account");
  const section = page.getByRole("region", { name: "Quiet hours" });
  // Only one minute of a day is not quiet.
  await section.getByLabel(/^From/).fill("00:01");
  await section.getByLabel(/^To/).fill("00:00");
  await section.getByRole("button", { name: "Set quiet hours" }).click();
  await expect(section.getByRole("button", { name: "End quiet hours" })).toBeVisible();

  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill(PLAIN);
  await page.getByRole("textbox", { name: "Text" }).fill("Good night");
  const quote = page.getByRole("region", { name: "Quote" });
  await expect(quote).toContainText("1 message waits for the end of quiet hours");
  await page.getByRole("checkbox", { name: "Send also during quiet hours" }).check();
  await expect(quote).not.toContainText("waits for the end");
  await page.getByRole("textbox", { name: "Text" }).fill("");

  await page.goto("/account");
  await section.getByRole("button", { name: "End quiet hours" }).click();
  await expect(section.getByRole("button", { name: "Set quiet hours" })).toBeVisible();
});

test.describe("where the clocks change", () => {
  test.use({ timezoneId: "America/New_York" });

  test("the form says when a send really leaves, and that a time does not exist", async ({ page, signIn }) => {
    await signIn("client");
    await page.goto("/send");
    const later = page.getByLabel("Send later");
    await later.fill("2030-03-10T02:30");
    const note = page.getByText(/It leaves on/);
    await expect(note).toContainText(/Sunday, March 10, 2030 at 3:30:00\sAM EDT/);
    await expect(note).toContainText("there is no such time on that day");
    await later.fill("2030-11-03T01:30");
    await expect(note).toContainText(/Sunday, November 3, 2030 at 1:30:00\sAM EDT/);
    await expect(note).not.toContainText("no such time");
    // Some browsers take a year of five digits, which no other part of the page knows.
    await later.evaluate((input: HTMLInputElement) => {
      input.max = "";
      const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")!;
      set!.call(input, "20301-11-03T01:30");
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await expect(note).toContainText("November 3, 2030");
    await later.fill("");
    await expect(note).toHaveCount(0);
  });
});

/** Tomorrow at half past eight, as a date field takes it. */
async function tomorrow(page: import("@playwright/test").Page): Promise<string> {
  return page.evaluate(() => {
    const day = new Date(Date.now() + 24 * 3_600_000);
    return `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}-${String(day.getDate()).padStart(2, "0")}T08:30`;
  });
}
