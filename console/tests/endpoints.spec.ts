// The addresses that a client's events are posted to, and what came back.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import { ApiCaller } from "./api";
import { expect, test, USERS } from "./console";

/** Holds the next answer to a query. `answered`: the server has given it. */
async function holdNext(page: Page, operationName: string) {
  let release = () => {};
  const released = new Promise<void>((done) => (release = done));
  let isHeld = false;
  const answered = new Promise<void>((done) => {
    void page.route("**/graphql", async (route) => {
      if (isHeld || route.request().postDataJSON()?.operationName !== operationName) {
        return route.fallback();
      }
      isHeld = true;
      const response = await route.fetch();
      done();
      await released;
      await route.fulfill({ response });
    });
  });
  return { answered, release };
}

test("a client adds an endpoint, posts a test, and posts it again", async ({ page, signIn }) => {
  const received: string[] = [];
  let status = 410;
  let mayAnswer = Promise.resolve();
  const receiver = createServer(async (request, response) => {
    received.push(String(request.headers["webhook-id"]));
    await mayAnswer;
    response.writeHead(status).end("thank you");
  });
  let updates = 0;
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      if (String(payload).includes("webhookEndpointUpdated")) updates += 1;
    }),
  );
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hooks`;

  await signIn("client");
  await page.goto("/endpoints");
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("http://example.com/");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toContainText("A URL must begin with https://.");
  await dialog.getByLabel("Address").fill(url);
  // Messages of other tests can change now: the answer to their events would pause the endpoint.
  for (const event of ["Message changed", "Message received", "Send finished", "Balance low"]) {
    await dialog.getByRole("checkbox", { name: event }).uncheck();
  }
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("alert")).toContainText("whsec_");
  await page.getByRole("alert").getByRole("button", { name: "Close" }).click();
  await expect(page.getByText("whsec_")).toHaveCount(0);

  await page.getByRole("button", { name: `Deliveries to ${url}` }).click();
  await page.getByRole("button", { name: "Post a test" }).click();
  const deliveries = page.getByRole("table", { name: "Deliveries" });
  await expect(deliveries).toContainText("Failed");
  const endpoints = page.getByRole("table", { name: "Webhook endpoints" });
  await expect(endpoints.getByText(/^Paused: .*410/)).toBeVisible();

  status = 200;
  await page.getByRole("button", { name: `Edit ${url}` }).click();
  await dialog.getByRole("button", { name: "Resume" }).click();
  await expect(endpoints).toContainText("Active");

  // The endpoint answers while the page reads the list: what the page reads is out of date.
  const list = await holdNext(page, "WebhookDeliveries");
  mayAnswer = list.answered;
  const before = updates;
  await page.getByRole("button", { name: /^Post again/ }).click();
  await list.answered;
  await expect.poll(() => updates - before).toBeGreaterThan(1);
  await page.waitForTimeout(1_000); // In this time, the page asks for the list again.
  list.release();
  await expect(deliveries).toContainText("Arrived");
  expect(new Set(received).size).toBe(1);
  expect(received.length).toBe(2);

  await page.getByRole("button", { name: `Edit ${url}` }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete it for ever" }).click();
  await expect(page.getByText("No endpoints yet")).toBeVisible();
  receiver.close();
});

test("a client sees the status callbacks of its messages, and those that failed", async ({ page, program, signIn }) => {
  const receiver = createServer((request, response) => {
    response.writeHead(request.url === "/broken" ? 500 : 200).end();
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const host = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const caller = await ApiCaller.signedIn(program, USERS.client);
  const { viewer } = await caller.ask<{ viewer: { client: { twilioAccountSid: string } } }>(
    "{ viewer { client { twilioAccountSid } } }",
  );
  for (const path of ["/works", "/broken"]) {
    const response = await fetch(`${program.address}/2010-04-01/Accounts/${viewer.client.twilioAccountSid}/Messages.json`, {
      method: "POST",
      headers: { authorization: `Bearer ${caller.token}` },
      body: new URLSearchParams({ To: "+12025550100", Body: "With a callback", StatusCallback: host + path }),
    });
    expect(response.status).toBe(201);
  }

  await signIn("client");
  await page.goto("/endpoints");
  const hosts = page.getByRole("table", { name: "Status callbacks" });
  await expect(hosts).toContainText(host);
  await hosts.getByRole("button", { name: `Deliveries to ${host}` }).click();
  const deliveries = page.getByRole("table", { name: "Deliveries" });
  await expect(deliveries).toContainText(`${host}/works`);
  await expect(deliveries).toContainText("500");
  await expect(page.getByRole("button", { name: "Post a test" })).toHaveCount(0);
  await page.getByRole("combobox", { name: "Status" }).click();
  await page.getByRole("option", { name: "Arrived" }).click();
  await expect(deliveries).not.toContainText(`${host}/broken`);
  await expect(deliveries).toContainText(`${host}/works`);
  receiver.close();
});
