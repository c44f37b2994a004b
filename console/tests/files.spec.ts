// Files: the columns, the preview, the rows that are not accepted.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "./console";
import { PYTHON } from "./program";

const PEOPLE = `Account number,Name,Phone
4045550123,Ann,2025550101
4045550124,Ben,2025550102
4045550125,Cas,12
4045550126,,2025550104
4045550127,Dee,2025550101
`;

test("a file with bad rows is previewed, sent, and its bad rows can be downloaded", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.locator('input[type="file"]').setInputFiles({
    name: "people.csv",
    mimeType: "text/csv",
    buffer: Buffer.from(PEOPLE),
  });
  await expect(page.getByText("Found in the file: Phone.")).toBeVisible();
  await expect(page.getByText(/^The file was uploaded: \d+ rows\.$/)).toBeVisible();
  // A value is inserted where the cursor is.
  await page.getByRole("textbox", { name: "Text" }).fill("Hi !");
  await page.getByRole("textbox", { name: "Text" }).press("ArrowLeft");
  await page.getByRole("button", { name: "Insert Name" }).click();
  const quote = page.getByRole("region", { name: "Quote" });
  await expect(quote).toContainText("3 messages to the numbers in “Phone”");
  await expect(quote).toContainText("Hi Ann!");
  await expect(quote).toContainText("Not accepted: 2");

  const downloading = page.waitForEvent("download");
  await quote.getByRole("button", { name: "Download as CSV" }).click();
  const saved = readFileSync(await (await downloading).path(), "utf8");
  expect(saved).toContain('"4","12","INVALID"');

  await page.getByRole("button", { name: "Send 3 messages" }).click();
  await expect(page.getByRole("region", { name: "State" })).toContainText("Finished");
  await expect(page.getByRole("region", { name: "Not accepted" }).first()).toContainText("2");
  // What was sent is not offered for the next file.
  expect(await page.evaluate(() => sessionStorage.getItem("draft:send-file-text"))).toBeNull();
});

test("an upload that fails says why in plain words", async ({ page, signIn }) => {
  const file = { name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(PEOPLE) };
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.route("**/uploads", (route) => route.abort());
  await page.locator('input[type="file"]').setInputFiles(file);
  await expect(page.getByText("The server could not be reached. Check the connection and try again.")).toBeVisible();
  const body = "<html>413 Request Entity Too Large</html>";
  await page.route("**/uploads", (route) => route.fulfill({ status: 413, contentType: "text/html", body }));
  await page.locator('input[type="file"]').setInputFiles(file);
  await expect(page.getByText("The server refuses the file (413).")).toBeVisible();
});

// A sheet of notes, one of two rows of which a filter hides one, and another sheet.
const BOOK = `
import sys
from openpyxl import Workbook
book = Workbook()
book.active.append(["Please read this first"])
for title in ("Class 5", "Class 6"):
    sheet = book.create_sheet(title)
    for row in (["Name", "Mobile"], ["Ann", 2025550101], ["Ben", 2025550102], ["Cas", 12]):
        sheet.append(row)
book["Class 5"].row_dimensions[3].hidden = True
book.save(sys.stdout.buffer)
`;

test("a secretary sees which rows and sheets of a spreadsheet are left out", async ({ page, signIn }) => {
  const book = {
    name: "classes.xlsx",
    mimeType: "application/octet-stream",
    buffer: execFileSync(PYTHON, ["-c", BOOK]),
  };
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.locator('input[type="file"]').setInputFiles(book);
  await expect(page.getByText("2 rows of the sheet “Class 5”")).toBeVisible();
  const note = page.getByRole("status").filter({ hasText: "Not all of the file is used" });
  await expect(note).toContainText("1 hidden row of the sheet “Class 5” is left out");
  await expect(note).toContainText("Not read: Sheet, Class 6");
  const text = page.getByRole("textbox", { name: "Text" });
  await text.fill("Hi {Name}");
  await expect(page.getByText("Write it as {{Name}}")).toBeVisible();
  await text.fill("Hi {{Name}}");
  const quote = page.getByRole("region", { name: "Quote" });
  await expect(quote).toContainText("1 message to the numbers in “Mobile”");
  await expect(quote.getByRole("listitem")).toContainText("Row 4, 12: ");
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeEnabled();

  await page.goto("/contacts");
  await page.getByRole("button", { name: "Import" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator('input[type="file"]').setInputFiles(book);
  await dialog.getByRole("button", { name: "Import" }).click();
  await expect(dialog).toContainText("1 hidden row of the sheet “Class 5” is left out");
  await expect(dialog.getByRole("listitem")).toContainText("Row 4, 12: ");
});

test("a sheet of two guardians says which numbers are not sent to", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  const sheet = "Pupil,Guardian 1 mobile,Guardian 2 mobile,Home phone\nAnn,2025550101,2025550102,2025550103\n";
  await page.locator('input[type="file"]').setInputFiles({
    name: "guardians.csv",
    mimeType: "text/csv",
    buffer: Buffer.from(sheet),
  });
  await expect(page.getByText("Several columns may hold the numbers: Guardian 1 mobile, Guardian 2 mobile.")).toBeVisible();
  await page.getByRole("combobox", { name: "Column of the numbers" }).click();
  await page.getByRole("option", { name: "Guardian 2 mobile" }).click();
  const note = page.getByRole("status").filter({ hasText: "Only one column is sent to" });
  await expect(note).toContainText("The numbers in “Guardian 2 mobile” are used. Not used: Guardian 1 mobile, Home phone.");
  await page.getByRole("textbox", { name: "Text" }).fill("Dear parent of [Pupil]");
  await expect(page.getByText("Write it as {{Pupil}}")).toBeVisible();
  await expect(page.locator("button[type=submit]")).toBeDisabled();
  await page.getByRole("tab", { name: "Numbers" }).click();
  await page.getByRole("tab", { name: "File" }).click();
  await expect(note).toContainText("The numbers in “Guardian 2 mobile” are used.");
});

test("on a phone, the price is above the button that sends", async ({ page, signIn }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill("2025550101");
  await page.getByRole("textbox", { name: "Text" }).fill("Hello");
  const price = await page.getByRole("region", { name: "Quote" }).getByText("Price").boundingBox();
  const send = await page.getByRole("button", { name: "Send", exact: true }).boundingBox();
  expect(price?.y).toBeLessThan(send?.y ?? 0);
});

test("a placeholder in a text to typed numbers is shown to be sent as it is written", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  await page.getByRole("textbox", { name: "Numbers" }).fill("2025550101");
  const text = page.getByRole("textbox", { name: "Text" });
  const quote = page.getByRole("region", { name: "Quote" });
  for (const mark of ["{{Name}}", "{Name}", "[First name]", "<Name>", "«Name»"]) {
    await text.fill(`Hello ${mark}, 5 > 3`);
    await expect(quote).toContainText(`“${mark}” is sent as it is written.`);
  }
  await text.fill("Hello Ann");
  await expect(quote).not.toContainText("as it is written");
});

test("nothing can be sent while the quote is about an earlier input", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/send");
  const numbers = page.getByRole("textbox", { name: "Numbers" });
  const send = page.locator("button[type=submit]");
  await numbers.fill("2025550101");
  await page.getByRole("textbox", { name: "Text" }).fill("Hello");
  await expect(send).toBeEnabled();
  let isAsked = () => {};
  const asked = new Promise<void>((done) => (isAsked = done));
  let answer = () => {};
  const held = new Promise<void>((done) => (answer = done));
  await page.route("**/graphql", async (route) => {
    if (route.request().postData()?.includes("query Quote")) {
      isAsked();
      await held;
    }
    return route.continue();
  });
  await numbers.fill("2025550101\n2025550102\n2025550103");
  await asked;
  await expect(send).toBeDisabled();
  await expect(page.getByRole("region", { name: "Quote" })).toContainText("1 credit");
  answer();
  await expect(send).toHaveText("Send 3 messages");
  await expect(send).toBeEnabled();
});

test("contacts are imported from a file, found, and opted out by hand", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/contacts");
  await page.getByRole("button", { name: "Import" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator('input[type="file"]').setInputFiles({
    name: "contacts.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("Name,Mobile\nZoe Zander,2025550110\nYan,2025550111\n"),
  });
  await dialog.getByRole("button", { name: "Import" }).click();
  await expect(dialog).toContainText("2 added, 0 updated");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await page.getByRole("searchbox").fill("Zander");
  const table = page.getByRole("table", { name: "Contacts" });
  await expect(table).toContainText("Zoe Zander");
  await expect(table).not.toContainText("Yan");
  await page.getByRole("button", { name: "Edit Zoe Zander" }).click();
  // The number cannot be changed: its field cannot have the focus.
  await expect(page.getByRole("dialog").getByRole("textbox", { name: "Name" })).toBeFocused();
  await page.getByRole("dialog").getByRole("switch").check();
  await page.getByRole("button", { name: "Save" }).click();
  await expect(table).toContainText("Opted out");
});

test("contacts are imported from a file whose column of numbers has to be chosen", async ({ page, signIn }) => {
  await signIn("client");
  const file = {
    name: "parents.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("Father,Mother\n2025550113,2025550114\n"),
  };
  await page.goto("/contacts");
  await page.getByRole("button", { name: "Import" }).click();
  const dialog = page.getByRole("dialog");
  const start = dialog.getByRole("button", { name: "Import" });
  await dialog.locator('input[type="file"]').setInputFiles(file);
  await start.click();
  await dialog.getByRole("combobox", { name: "Column of the numbers" }).click();
  await page.getByRole("option", { name: "Mother" }).click();
  await start.click();
  await expect(dialog).toContainText("1 added, 0 updated. Numbers were read from Mother.");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  // The same file in the form that sends: nothing says what the other column holds.
  await page.goto("/send");
  await page.getByRole("tab", { name: "File" }).click();
  await page.locator('input[type="file"]').setInputFiles(file);
  await page.getByRole("combobox", { name: "Column of the numbers" }).click();
  await page.getByRole("option", { name: "Mother" }).click();
  await expect(page.getByText("The numbers in “Mother” are used, and no others.")).toBeVisible();
});

test("a contact is deleted after one more question", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/contacts");
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("textbox", { name: "Number" }).fill("2025550115");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Wim Wolf");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Edit Wim Wolf" }).click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(dialog).toBeVisible();
  await dialog.getByRole("button", { name: "Delete it for ever" }).click();
  await expect(page.getByText("Wim Wolf")).toHaveCount(0);
});

test("a list shows a change, also if another search began just before it was to be read again", async ({
  page,
  signIn,
}) => {
  await page.clock.install();
  await signIn("client");
  await page.goto("/contacts");
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("textbox", { name: "Number" }).fill("2025550112");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Xena Xanthos");
  await page.clock.pauseAt(Date.now() + 10_000);
  await dialog.getByRole("button", { name: "Save" }).click();
  const table = page.getByRole("table", { name: "Contacts" });
  // The list is read 500 ms after the change, and the search begins 250 ms after the last key.
  await expect(dialog.getByRole("button", { name: "Save" })).toBeHidden();
  await page.getByRole("searchbox").fill("Xanthos");
  await page.clock.runFor(300);
  await expect(table).toContainText("Xena Xanthos");
  await page.clock.runFor(1_000);
  await page.clock.resume();
  await page.getByRole("button", { name: "Edit Xena Xanthos" }).click();
  await dialog.getByRole("textbox", { name: "Name" }).fill("Xenia Xanthos");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(table).toContainText("Xenia Xanthos");
});

test("a number that is opted out by hand keeps the name that it has", async ({ page, signIn }) => {
  await signIn("client");
  await page.goto("/contacts");
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("textbox", { name: "Number" }).fill("(202) 555-0112");
  await dialog.getByRole("switch").check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("row", { name: /^Xenia Xanthos Opted out/ })).toBeVisible();
});

test("a search, a filter and an order are there again after Back and a reload", async ({ page, signIn }) => {
  await signIn("client");
  const search = page.getByRole("searchbox");
  const rows = page.getByRole("table", { name: "Contacts" }).getByRole("row");
  await page.goto("/contacts");
  await search.fill("Xanthos");
  await page.getByRole("combobox", { name: "Opt-out" }).click();
  await page.getByRole("option", { name: "Opted out", exact: true }).click();
  await page.getByRole("combobox", { name: "Order" }).click();
  await page.getByRole("option", { name: "By name" }).click();
  await expect(rows).toHaveCount(2);
  const menu = page.getByRole("navigation").first();
  for (const leave of [
    () => menu.getByRole("link", { name: "Inbox" }).click().then(() => page.goBack()),
    () => page.reload(),
  ]) {
    await leave();
    await expect(search).toHaveValue("Xanthos");
    await expect(rows).toHaveCount(2);
    await expect(page.getByRole("combobox", { name: "Order" })).toHaveValue("By name");
  }
  await menu.getByRole("link", { name: "Contacts" }).click();
  await expect(search).toHaveValue("");
  await expect(page).toHaveURL(/contacts$/);
});
