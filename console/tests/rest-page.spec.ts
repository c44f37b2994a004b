// The page of the REST API: what it shows is the document of the running program, and its calls work.
import { execFileSync } from "node:child_process";
import { ApiCaller } from "./api";
import { expect, test, USERS } from "./console";

test("an endpoint is shown with a call that works as it is", async ({ page, program, signIn }) => {
  await signIn("client");
  await page.goto("/developers");
  await page.getByRole("link", { name: "REST API" }).click();
  await page.getByRole("button", { name: /POST.*sendsingle/ }).click();
  const endpoint = page.getByRole("region", { name: /sendsingle/ });
  await expect(endpoint.getByRole("row", { name: /recipient \*.*string.*phone number/ })).toBeVisible();
  await expect(endpoint.getByRole("table", { name: "Errors of send_single" })).toContainText("402");
  const call = await endpoint.locator("pre").innerText();
  const key = (await ApiCaller.signedIn(program, USERS.client)).token;
  const answer = execFileSync("bash", ["-c", call], { env: { ...process.env, API_KEY: key } });
  expect(JSON.parse(answer.toString())).toMatchObject({ success: true, status: "queued" });
  await expect(page.getByText("/api/admin/")).toHaveCount(0);
});

test("an admin also sees the endpoints of operators", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/developers/rest");
  await expect(page.getByRole("button", { name: /webhook\/events/ })).toBeVisible();
});
