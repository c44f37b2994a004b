import { ApiCaller } from "./api";
import { ANSWERING, credits, expect, PLAIN, test, USERS } from "./console";

test("a client sends, sees the balance fall, reads the answer and replies", async ({ page, program, signIn }) => {
  const before = await (await ApiCaller.signedIn(program, USERS.client)).balance();
  await signIn("client");
  const header = page.getByRole("banner");
  await expect(header).toContainText(credits(before));

  await page.getByRole("link", { name: "Send", exact: true }).click();
  await page.getByRole("textbox", { name: "Numbers" }).fill(`${ANSWERING}\n${PLAIN}\n202-555-0100\n12`);
  const quote = page.getByRole("region", { name: "Quote" });
  await page.getByRole("textbox", { name: "Text" }).fill("Bring USh\u00a05,000 on Friday.");
  await expect(quote).toContainText("These characters make the text longer: U+00A0");
  await page.getByRole("textbox", { name: "Text" }).fill("Are you coming on Friday?");
  await expect(quote).toContainText("Will be sent to2");
  await expect(quote).toContainText("Invalid1");
  await expect(quote).toContainText("Duplicates1");
  await expect(quote).toContainText(`Balance after${credits(before - 2)}`);
  await page.getByRole("button", { name: "Send 2 messages" }).click();

  await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible();
  await expect(page.getByRole("region", { name: "State" })).toContainText("Finished");
  await expect(page.getByRole("table")).toContainText("(202) 555-0177");
  // The report of a delivery comes after the send is finished, and changes its counts too.
  await expect(page.getByRole("table")).toContainText("Delivered");
  await expect(page.getByRole("status").filter({ hasText: "1 Delivered" })).toBeVisible();
  await expect(header).toContainText(credits(before - 2));

  const inbox = page.getByRole("link", { name: /Inbox/ });
  await expect(inbox).toContainText("1");
  await inbox.click();
  await page.getByRole("searchbox").fill("555-0177");
  await page.getByRole("link", { name: /\(202\) 555-0177/ }).click();
  await expect(page.getByRole("searchbox")).toHaveValue("555-0177");
  const thread = page.getByRole("log");
  await expect(thread).toContainText("Are you coming on Friday?");
  await expect(inbox).not.toContainText("1");

  await page.getByRole("textbox", { name: "Reply" }).fill("See you then");
  await page.keyboard.press("Control+Enter");
  await expect(thread).toContainText("See you then");
  await expect(header).toContainText(credits(before - 3));

  await page.getByRole("link", { name: "Overview" }).click();
  const chart = page.getByRole("region", { name: "Messages of the last 14 days" });
  await expect(chart.locator("canvas")).toBeVisible();
  await expect(chart.getByRole("row").last()).toContainText(/[1-9]/);

  await page.getByRole("link", { name: "Statement" }).click();
  const statement = page.getByRole("table", { name: "Statement" });
  await expect(statement.getByRole("row").nth(1)).toContainText("−1");
  await expect(statement.getByRole("row").nth(2)).toContainText("−2");
  await expect(statement.getByRole("row").nth(2)).toContainText((before - 2).toLocaleString("en-US"));
});
