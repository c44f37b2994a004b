// How much is loaded, and how soon it can be used. The figures are printed.
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { isBusy } from "./budget";
import { expect, test } from "./console";

const ASSETS = resolve(import.meta.dirname, "../../ibiki/console_files/assets");
const MOST_SCRIPT_KILOBYTES = 250;
const GOAL_MILLISECONDS = 1_500;

test("the first load of the dashboard is small and soon usable on a slow phone", async ({
  page,
  context,
  signIn,
}) => {
  await signIn("client");
  const devtools = await context.newCDPSession(page);
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await page.goto("/");
  await expect(page.getByRole("region", { name: "Balance" })).toBeVisible({ timeout: 40_000 });
  const milliseconds = await page.evaluate(() => Math.round(performance.now()));
  const scripts = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .map(({ name }) => name)
      .filter((name) => name.endsWith(".js")),
  );
  const sizes = scripts.map((name) => statSync(join(ASSETS, `${name.split("/").at(-1)}.gz`)).size);
  const kilobytes = Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024);
  console.log(
    `first load: ${kilobytes} KB of script (gzip; at most ${MOST_SCRIPT_KILOBYTES}), ` +
      `balance shown after ${milliseconds} ms with a 4 times slower processor (goal ${GOAL_MILLISECONDS})`,
  );
  expect(kilobytes).toBeLessThanOrEqual(MOST_SCRIPT_KILOBYTES);
  if (!isBusy()) expect(milliseconds).toBeLessThanOrEqual(2 * GOAL_MILLISECONDS);
});
