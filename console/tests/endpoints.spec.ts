// The addresses that a client's events are posted to, and what came back.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "./console";

test("a client adds an endpoint, posts a test, and posts it again", async ({ page, signIn }) => {
  const received: string[] = [];
  let status = 410;
  const receiver = createServer((request, response) => {
    received.push(String(request.headers["webhook-id"]));
    response.writeHead(status).end("thank you");
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks`;

  await signIn("client");
  await page.goto("/endpoints");
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("http://example.com/");
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(dialog).toContainText("A URL must begin with https://.");
  await dialog.getByLabel("Address").fill(url);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("whsec_");
  await page.getByRole("alert").getByRole("button", { name: "Close" }).click();
  await expect(page.getByText("whsec_")).toHaveCount(0);

  await page.getByRole("button", { name: `Deliveries to ${url}` }).click();
  await page.getByRole("button", { name: "Post a test" }).click();
  const deliveries = page.getByRole("table", { name: "Deliveries" });
  await expect(deliveries).toContainText("Failed");
  const endpoints = page.getByRole("table", { name: "Webhook endpoints" });
  await expect(endpoints).toContainText("Paused");

  status = 200;
  await page.getByRole("button", { name: `Edit ${url}` }).click();
  await dialog.getByRole("button", { name: "Resume" }).click();
  await expect(endpoints).toContainText("Active");
  await page.getByRole("button", { name: /^Post again/ }).click();
  await expect(deliveries).toContainText("Arrived");
  expect(new Set(received).size).toBe(1);
  expect(received.length).toBe(2);

  await page.getByRole("button", { name: `Edit ${url}` }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete it for ever" }).click();
  await expect(page.getByText("No endpoints yet")).toBeVisible();
  receiver.close();
});
