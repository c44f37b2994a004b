// What clients see of an operator's brand: the name, the logo, the colour, and no other name.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, USERS } from "./console";
import { Program } from "./program";

const LOGO = join(tmpdir(), `brand-${process.pid}.svg`);
const COLOURS = ["#ffcc00", "#000000", "#00a86b"];
let kanda: Program;

test.beforeAll(async () => {
  writeFileSync(LOGO, '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 10"><rect width="30" height="10" fill="#fc0"/></svg>');
  kanda = await Program.start({ BRAND_NAME: "Kanda SMS", BRAND_COLOR: COLOURS[0] ?? "", BRAND_LOGO: LOGO });
});
test.afterAll(async () => kanda.remove());

test("a client sees the operator's name, logo and icon, and can install the console", async ({ page }) => {
  const files: string[] = [];
  page.on("response", async (response) => {
    if (/\/$|\.(js|css|webmanifest)$/.test(response.url())) files.push(await response.text());
  });
  await page.goto(kanda.address);
  await expect(page).toHaveTitle("Sign in – Kanda SMS");
  const logo = page.locator('img[src^="/brand/logo-"]');
  await expect.poll(() => logo.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(0);
  const devtools = await page.context().newCDPSession(page);
  const { errors, data } = await devtools.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  expect(JSON.parse(data ?? "")).toMatchObject({ name: "Kanda SMS", theme_color: COLOURS[0] });
  const icon = await page.locator('link[rel="icon"]').getAttribute("href");
  const width = (src: string | null) => {
    const image = new Image();
    image.src = src ?? "";
    return image.decode().then(() => image.naturalWidth);
  };
  expect(await page.evaluate(width, icon)).toBeGreaterThan(0);
  const button = page.getByRole("button", { name: "Sign in" });
  // The colour, darker.
  await expect(button).toHaveCSS("background-color", "rgb(123, 99, 0)");
  await signIn();
  await expect(logo).toBeVisible();
  expect(files.length).toBeGreaterThan(5);
  for (const text of files) expect(text).not.toMatch(/ibiki(?!\.test)/i);

  async function signIn() {
    await page.getByLabel("Email").fill(USERS.client);
    await page.getByLabel("Password", { exact: true }).fill(kanda.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Overview");
  }
});

test("whatever the colour of the brand is, everything can be read in both themes", async ({ page }) => {
  test.setTimeout(240_000);
  let color = "";
  await page.route(/\/(sends)?$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(`content="${COLOURS[0]}"`, `content="${color}"`) });
  });
  for (color of COLOURS) {
    for (const path of ["/", "/sends"]) {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.goto(kanda.address + path);
        const password = page.getByLabel("Password", { exact: true });
        const menu = page.getByRole("button", { name: "Your account and settings" });
        await expect(password.or(menu)).toBeVisible();
        if (await password.isVisible()) {
          await page.getByLabel("Email").fill(USERS.client);
          await password.fill(kanda.password);
          await page.getByRole("button", { name: "Sign in" }).click();
        }
        await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
        await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
        const { violations } = await new AxeBuilder({ page }).withRules(["color-contrast"]).analyze();
        const found = violations.flatMap(({ nodes }) => nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`));
        expect(found, `${path} in ${color}, ${colorScheme}`).toEqual([]);
      }
    }
  }
});
