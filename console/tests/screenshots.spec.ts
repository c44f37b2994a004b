// The pictures in docs/console: made again with SCREENSHOTS=1.
import { resolve } from "node:path";
import { ApiCaller } from "./api";
import { expect, test, USERS } from "./console";

const FOLDER = resolve(import.meta.dirname, "../../docs/console");

test("pictures for the README", async ({ page, program, signIn }) => {
  test.skip(!process.env.SCREENSHOTS, "set SCREENSHOTS=1 to make the pictures again");
  const client = await ApiCaller.signedIn(program, USERS.client);
  await client.send(["+12025550177"], "Are you coming on Friday?");
  await client.send(["+12025550178", "+12025550100", "+12025550101"], "We open at nine tomorrow.");
  await signIn("client");
  await page.goto("/");
  await expect(page.getByText("1 Delivered, 2 Sent")).toBeVisible();
  await expect(page.locator("canvas")).toBeVisible();
  await page.screenshot({ path: `${FOLDER}/overview.png` });
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill("+1 202 555 0100\n202-555-0101\n12");
  await page.getByRole("textbox", { name: "Text" }).fill("Good morning ☀");
  await expect(page.getByText("Balance after")).toBeVisible();
  await page.screenshot({ path: `${FOLDER}/send.png` });
  await page.goto("/inbox");
  await page.getByRole("link", { name: /\(202\) 555-0177/ }).click();
  await expect(page.getByRole("log")).toContainText("Friday");
  await page.screenshot({ path: `${FOLDER}/inbox.png` });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/");
  await expect(page.getByText("3 messages")).toBeVisible();
  await page.screenshot({ path: `${FOLDER}/phone.png` });
});
