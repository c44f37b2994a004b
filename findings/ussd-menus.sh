#!/usr/bin/env bash
# ussd-menu-builder shows one caller the screen of another, and repeats the actions of all screens before.
#
# Software:  ussd-menu-builder 1.2.0 (npm), which builds USSD menus for Africa's Talking and Hubtel.
# Seen:      2026-11, Node 20.
# Behaviour: The README makes one menu for the server, and calls `menu.run(request, answer)` for each step of a caller.
#            Africa's Talking sends all that was entered so far in each step: "1", then "1*500".
#            (1) The menu keeps the request and the answer in itself. If a second caller comes while the balance of
#                the first is being fetched, as in the quick example of the README, the balance of the first is
#                the answer to the second. The first never gets an answer. One caller at a time, as in a test, is
#                served well.
#            (2) The amount of a purchase is in `menu.val`, which the second caller replaces as well. A screen that
#                reads it after an `await` buys for the amount of the other.
#            (3) A link may be a function that returns the name of the next screen. In each step, the functions of all
#                steps before run again, with the same values. A function that buys airtime or sends a code does it
#                once for each screen that follows. The README does not say so.
# Output seen:
#            two callers at the same time, balances 100 and 5
#                the first got: nothing
#                the second got: END You have 100, END You have 5
#            two callers at the same time, for 500 and 20
#                bought: 20 for the first, 20 for the second
#            one caller, a link that buys
#                entered "": CON Amount?, bought 0 times
#                entered "500": CON Bought. 1. Balance, bought 1 times
#                entered "500*1": CON You have 100. 1. End, bought 2 times
#                entered "500*1*1": END Bye, bought 3 times
# For us:    Ibiki has no USSD menus. A program that has them can send with an idempotency key from the session ID.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts ussd-menu-builder@1.2.0 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const Menu = require("ussd-menu-builder");

const BALANCES = { first: 100, second: 5 };
const turn = () => new Promise(setImmediate);

// The second caller comes while the action of the first waits.
async function together(menu, texts) {
  const got = { first: [], second: [] };
  const waiting = [];
  menu.action = () => new Promise((resolve) => waiting.push(resolve));
  for (const phoneNumber of ["first", "second"]) {
    menu.run({ phoneNumber, sessionId: phoneNumber, text: texts[phoneNumber] }, (answer) => got[phoneNumber].push(answer));
    while (waiting.length < Object.keys(texts).indexOf(phoneNumber) + 1) await turn();
  }
  for (const resolve of waiting) {
    resolve();
    await turn();
  }
  return got;
}

async function balances() {
  const menu = new Menu();
  const balanceOf = (phone) => menu.action().then(() => BALANCES[phone]);
  menu.startState({ run: () => menu.con("1. Balance"), next: { 1: "balance" } });
  menu.state("balance", {
    run: () => {
      balanceOf(menu.args.phoneNumber).then((balance) => menu.end(`You have ${balance}`));
    },
  });
  console.log("two callers at the same time, balances 100 and 5");
  const got = await together(menu, { first: "1", second: "1" });
  for (const [caller, answers] of Object.entries(got))
    console.log(`    the ${caller} got: ${answers.join(", ") || "nothing"}`);
}

async function amounts() {
  const menu = new Menu();
  const bought = [];
  menu.startState({ run: () => menu.con("Amount?"), next: { "*^\\d+$": "buy" } });
  menu.state("buy", {
    run: async () => {
      const caller = menu.args.phoneNumber;
      await menu.action();
      bought.push(`${menu.val} for the ${caller}`);
      menu.end("Bought");
    },
  });
  console.log("two callers at the same time, for 500 and 20");
  await together(menu, { first: "500", second: "20" });
  console.log(`    bought: ${bought.join(", ")}`);
}

async function links() {
  const menu = new Menu();
  let times = 0;
  const buy = () => {
    times += 1;
    return "bought";
  };
  menu.startState({ run: () => menu.con("Amount?"), next: { "*^\\d+$": buy } });
  menu.state("bought", { run: () => menu.con("Bought. 1. Balance"), next: { 1: "balance" } });
  menu.state("balance", { run: () => menu.con("You have 100. 1. End"), next: { 1: "end" } });
  menu.state("end", { run: () => menu.end("Bye") });
  console.log("one caller, a link that buys");
  for (const text of ["", "500", "500*1", "500*1*1"]) {
    const answer = await menu.run({ phoneNumber: "first", sessionId: "1", text });
    console.log(`    entered "${text}": ${answer}, bought ${times} times`);
  }
}

balances().then(amounts).then(links);
NODE

node "$folder/observe.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
two callers at the same time, balances 100 and 5
    the first got: nothing
    the second got: END You have 100, END You have 5
two callers at the same time, for 500 and 20
    bought: 20 for the first, 20 for the second
one caller, a link that buys
    entered "": CON Amount?, bought 0 times
    entered "500": CON Bought. 1. Balance, bought 1 times
    entered "500*1": CON You have 100. 1. End, bought 2 times
    entered "500*1*1": END Bye, bought 3 times
SEEN
