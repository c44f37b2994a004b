// What all tests of the console share: the program, people who sign in, and what must not happen.
import { test as base, expect, type Page } from "@playwright/test";
import { Program } from "./program";

export const USERS = {
  admin: "admin@ibiki.test",
  supervisor: "supervisor@ibiki.test",
  client: "client@ibiki.test",
  other: "other@ibiki.test",
  school: "school@ibiki.test",
} as const;
export type User = keyof typeof USERS;

export const ANSWERING = "+1 202 555 0177";
export const PLAIN = "+1 202 555 0100";

/** Credits as the console writes them. */
export function credits(amount: number): string {
  return `${amount.toLocaleString("en-US")} credits`;
}

/** Signs in on the page that asks for it. */
export async function enter(page: Page, program: Program, user: User): Promise<void> {
  await page.getByLabel("Email").fill(USERS[user]);
  await page.getByLabel("Password", { exact: true }).fill(program.password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

interface WorkerFixtures {
  program: Program;
}

interface Fixtures {
  /** Opens the console and signs in. */
  signIn: (user: User, page?: Page) => Promise<Page>;
  complaints: string[];
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  program: [
    // biome-ignore lint: playwright reads the names of the first argument
    async ({}, use) => {
      const program = await Program.start();
      await use(program);
      await program.remove();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ program }, use) => use(program.address),
  // What the browser complains about, such as a refused style or script.
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        const text = message.text();
        if (message.type() === "error" && /Content Security Policy|Warning:/.test(text)) {
          complaints.push(text);
        }
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
  signIn: async ({ page, program }, use) => {
    await use(async (user, on = page) => {
      await on.goto("/");
      await enter(on, program, user);
      await expect(on.getByRole("button", { name: "Your account and settings" })).toBeVisible();
      return on;
    });
  },
});

export { expect };
