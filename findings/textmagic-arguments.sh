#!/usr/bin/env bash
# TextMagic's Node SDK sends a text to the numbers of the message before it as well, also for another account.
#
# Software:  textmagic-rest-client 1.0.11 (npm), the vendor's Node SDK.
# Seen:      2026-11, Node 20.
# Behaviour: `Messages.send` copies the fields of a call into the defaults of the SDK, and sends the defaults. So each
#            call also has the fields of all calls before it that it does not replace. Nothing is raised.
#            (1) A text without sendingTime, after one with it, is not sent now but at that time.
#            (2) A text for a list, after one for a phone, goes to the list and to that phone.
#            (3) The defaults are of the process, and not of the client: two accounts have them in common. So the
#                text in (2) may go to a customer of another account, at a time that the other account chose.
#            (4) A search has the filters of the searches before it, and finds less.
#            A test with one call passes, like a program that gives all fields in each call.
# Output seen:
#            account 1 calls send {"text":"A","phones":"12025550101","sendingTime":1800000000}
#                sent: POST text=A&phones=12025550101&sendingTime=1800000000
#            account 1 calls send {"text":"B","phones":"12025550102"}
#                sent: POST text=B&phones=12025550102&sendingTime=1800000000
#            account 2 calls send {"text":"C","lists":"17"}
#                sent: POST text=C&phones=12025550102&sendingTime=1800000000&lists=17
#            account 1 calls find {"ids":"1"}
#                sent: GET ids=1
#            account 2 calls find {"query":"Ada"}
#                sent: GET ids=1&query=Ada
# For us:    Ibiki has no adapter for TextMagic, and each of its requests is made of its own values only.
#
# Runs a server on a loopback port, to which the requests of the SDK are led. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts textmagic-rest-client@1.0.11 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const http = require("http");
const https = require("https");
const Client = require("textmagic-rest-client");

const accounts = { 1: new Client("account-1", "key-1"), 2: new Client("account-2", "key-2") };
const calls = [
  [1, "send", { text: "A", phones: "12025550101", sendingTime: 1800000000 }],
  [1, "send", { text: "B", phones: "12025550102" }],
  [2, "send", { text: "C", lists: "17" }],
  [1, "find", { ids: "1" }],
  [2, "find", { query: "Ada" }],
];
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  console.log(`    sent: ${request.method} ${body || request.url.split("?")[1]}`);
  response.writeHead(200, { "content-type": "application/json" }).end('{"id": 1}');
});
server.listen(0, "127.0.0.1", async () => {
  // The SDK has no setting for another port.
  https.request = (options, answer) =>
    http.request({ ...options, hostname: "127.0.0.1", port: server.address().port, agent: false }, answer);
  for (const [account, method, fields] of calls) {
    console.log(`account ${account} calls ${method} ${JSON.stringify(fields)}`);
    await new Promise((resolve, reject) =>
      accounts[account].Messages[method](fields, (error) => (error ? reject(error) : resolve())));
  }
  server.close();
});
NODE

node "$folder/observe.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
account 1 calls send {"text":"A","phones":"12025550101","sendingTime":1800000000}
    sent: POST text=A&phones=12025550101&sendingTime=1800000000
account 1 calls send {"text":"B","phones":"12025550102"}
    sent: POST text=B&phones=12025550102&sendingTime=1800000000
account 2 calls send {"text":"C","lists":"17"}
    sent: POST text=C&phones=12025550102&sendingTime=1800000000&lists=17
account 1 calls find {"ids":"1"}
    sent: GET ids=1
account 2 calls find {"query":"Ada"}
    sent: GET ids=1&query=Ada
SEEN
