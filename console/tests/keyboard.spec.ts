// The main job without a mouse.
import type { Page } from "@playwright/test";
import { expect, test, USERS } from "./console";

const MOST_TABS = 60;

test("somebody without a mouse signs in and sends", async ({ page, program }) => {
  await page.goto("/");
  await expect(page.getByLabel("Email")).toBeFocused();
  await page.keyboard.type(USERS.other);
  await page.keyboard.press("Tab");
  await page.keyboard.type(program.password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Overview");

  await tabTo(page, "Skip to the content");
  await tabTo(page, "Send");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Send" })).toBeFocused();
  await tabTo(page, "Numbers", "textarea");
  await page.keyboard.type("+1 202 555 0106");
  await tabTo(page, "Text", "textarea");
  await page.keyboard.type("Sent without a mouse");
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeEnabled();
  await tabTo(page, "Send", "button");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: /^Send of/ })).toBeVisible();
  await expect(page.getByRole("region", { name: "State" })).toContainText("Finished");
});

/** Presses Tab until the element of that name has the focus. */
async function tabTo(page: Page, name: string, tag?: string): Promise<void> {
  for (let pressed = 0; pressed < MOST_TABS; pressed += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const labels = (element as HTMLInputElement | null)?.labels;
      const text = labels?.[0]?.textContent ?? element?.textContent ?? "";
      return { name: text.trim(), tag: element?.tagName.toLowerCase() };
    });
    if (focused.name === name && (!tag || focused.tag === tag)) return;
  }
  throw new Error(`no Tab leads to “${name}”`);
}
