import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "@playwright/test";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const SPECS = readdirSync(join(import.meta.dirname, "tests")).filter((name) =>
  name.endsWith(".spec.ts"),
);

export default defineConfig({
  testDir: "tests",
  // A project for each file: its tests share a program that no other file has used.
  projects: SPECS.map((name) => ({ name: name.replace(".spec.ts", ""), testMatch: name })),
  workers: 1,
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 850 },
    trace: "retain-on-failure",
    launchOptions: {
      ...(existsSync(CHROMIUM) ? { executablePath: CHROMIUM } : {}),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
