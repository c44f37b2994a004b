// Clients of the same name, and clients that a picker does not list.
import { ApiCaller } from "./api";
import { expect, test, USERS } from "./console";

const NAME = "Greenhill School";

test("clients of the same name show a detail, and a third one a warning", async ({ page, program, signIn }) => {
  const admin = await ApiCaller.signedIn(program, USERS.admin);
  const { groups } = await admin.ask<{ groups: { id: string; name: string }[] }>("{ groups { id name } }");
  const ids = [await addClient(admin, { name: NAME }), await addClient(admin, { name: NAME, groupId: groups[0]!.id })];
  const [alone, grouped] = [`${NAME} (no group)`, `${NAME} (${groups[0]!.name})`];
  await signIn("admin");

  await page.goto("/credits");
  const table = page.getByRole("table", { name: "Credits of clients" });
  for (const name of [alone, grouped]) await expect(table.getByRole("link", { name })).toBeVisible();
  await page.getByRole("button", { name: `Adjust the balance of ${grouped}` }).click();
  await expect(page.getByRole("dialog")).toContainText(`Adjust the balance of ${grouped}`);

  await page.goto("/sends");
  await page.getByRole("combobox", { name: "Client" }).fill(NAME);
  for (const name of [alone, grouped]) await expect(page.getByRole("option", { name, exact: true })).toBeVisible();
  await page.getByRole("option", { name: alone }).click();
  await expect(page.getByRole("combobox", { name: "Client" })).toHaveValue(alone);

  const setUp = `mutation ($user: CreateUserInput!, $line: SetModemRouteInput!) {
    createUser(input: $user) { ... on UserError { message } } setModemRoute(input: $line) { ... on UserError { message } } }`;
  for (const clientId of ids) {
    const user = { email: `${clientId}@greenhill.test`, password: "a long password", role: "CLIENT", clientId };
    await admin.ask(setUp, { user, line: { clientId, modem: `greenhill-${clientId}`, port: "1" } });
  }
  for (const [path, label] of [["/users", "Users"], ["/lines", "Lines"]] as const) {
    await page.goto(path);
    const list = page.getByRole("table", { name: label });
    for (const name of [alone, grouped]) await expect(list.getByRole("cell", { name, exact: true })).toBeVisible();
  }

  await page.goto("/clients");
  for (const name of [alone, grouped]) await expect(page.getByRole("button", { name: `Edit ${name}` })).toBeVisible();
  await page.getByRole("button", { name: "Add a client" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill(" greenhill SCHOOL");
  await expect(dialog.getByRole("status")).toContainText("There is already a client of this name.");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Greenhill School, Gulu");
  await expect(dialog.getByRole("status")).toHaveCount(0);
});

test("a statement names its client, also if the client is not among the first ones", async ({ page, program, signIn }) => {
  const admin = await ApiCaller.signedIn(program, USERS.admin);
  const name = "Zion School";
  const id = await addClient(admin, { name });
  await page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes("query PickClient")) return route.continue();
    return route.fulfill({ json: { data: { clients: { __typename: "ClientConnection", nodes: [] } } } });
  });
  await signIn("admin");
  await page.goto(`/statement?clientId=${id}`);
  await expect(page.getByRole("combobox", { name: "Client" })).toHaveValue(name);
});

test("a picker does not say that nothing was found while it searches", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/sends");
  let release = () => {};
  let ask = () => {};
  const released = new Promise<void>((done) => (release = done));
  const asked = new Promise<void>((done) => (ask = done));
  await page.route("**/graphql", async (route) => {
    if (route.request().postData()?.includes("no such school")) {
      ask();
      await released;
    }
    return route.fallback();
  });
  await page.getByRole("combobox", { name: "Client" }).fill("no such school");
  await asked;
  await expect(page.getByText("Searching …")).toBeVisible();
  await expect(page.getByText("No client found")).toHaveCount(0);
  release();
  await expect(page.getByText("No client found")).toBeVisible();
});

test("a long name leaves room for the button that closes a dialog on a phone", async ({ page, program, signIn }) => {
  const admin = await ApiCaller.signedIn(program, USERS.admin);
  const name = "Long".repeat(30);
  await addClient(admin, { name });
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn("admin");
  await page.goto("/clients");
  await page.getByRole("button", { name: `Edit ${name}` }).click();
  const box = await page.getByRole("dialog").getByRole("button", { name: "Close" }).first().boundingBox();
  expect((box?.x ?? 999) + (box?.width ?? 0)).toBeLessThanOrEqual(390);
});

test("an amount with decimals is not made into another amount", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/credits");
  await page.getByRole("button", { name: "Adjust the balance of Other" }).click();
  const dialog = page.getByRole("dialog");
  const units = dialog.getByRole("textbox", { name: "Units" });
  const give = dialog.locator("button[type=submit]");
  await units.pressSequentially("2500.50");
  await expect(units).toHaveAccessibleDescription(/Enter a whole number above 0/);
  await expect(give).toBeDisabled();
  await units.fill("");
  await units.pressSequentially("2500.00");
  await expect(give).toHaveText("Give 2,500 credits");
  // A click beside the dialog must not throw away what was typed.
  await page.mouse.click(5, 5);
  await expect(give).toHaveText("Give 2,500 credits");

  await page.goto("/clients");
  await page.getByRole("button", { name: "Edit Other" }).click();
  const low = dialog.getByRole("textbox", { name: "Low balance" });
  await low.pressSequentially("1.50");
  await dialog.getByRole("button", { name: "Save" }).click();
  expect(await low.evaluate((input: HTMLInputElement) => input.validity.patternMismatch)).toBe(true);
  await expect(dialog).toBeVisible();
});

async function addClient(admin: ApiCaller, input: { name: string; groupId?: string }): Promise<string> {
  const add = `mutation ($input: CreateClientInput!) {
    createClient(input: $input) { ... on Client { id } ... on UserError { message } } }`;
  return (await admin.ask<{ createClient: { id: string } }>(add, { input })).createClient.id;
}

test("a value that the API cannot read is explained at its field, without names of the API", async ({ page, signIn }) => {
  await signIn("admin");
  await page.goto("/clients");
  await page.getByRole("button", { name: "Add a client" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name").fill("Comma School");
  const rate = form.getByRole("textbox", { name: "Rate per unit in USD" });
  await rate.fill("0,03");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(rate).toHaveAccessibleDescription(/Write it in digits, with a point/);
  await expect(form.getByText("$input")).toHaveCount(0);
});
