#!/usr/bin/env bash
# Two vendors' Node SDKs resolve their promise if a send fails, one of them also if it is not known whether it did.
#
# Software:  @infobip-api/sdk 0.3.2 and africastalking 0.8.3 (npm), the vendors' SDKs.
# Seen:      2026-11, Node 20.
# Behaviour: (1) Infobip: `sms.send` catches every error and returns it. The promise resolves with an Error
#                after a 401, a 500, and if no server can be reached. `await` raises nothing, so that a
#                program with try and catch continues as if the message was sent.
#            (2) Africa's Talking: `SMS.send` of one message rejects. With a list, it always resolves: if the server
#                has taken the message and the answer is lost, its item says status "failed". A program that
#                sends the failed ones again sends twice.
#            (3) Africa's Talking: an accepted message that is answered with 200 instead of 201 is an error too.
# Output seen:
#            infobip, accepted: resolved
#            infobip, 401: resolved with an Error
#            infobip, 500: resolved with an Error
#            africastalking, one message, 500: rejected
#            africastalking, a list, 500: resolved, status failed
#            africastalking, a list, taken and the answer lost: resolved, status failed, 1 message taken
#            africastalking, a list, taken and answered with 200: resolved, status failed, 1 message taken
#            infobip, no server: resolved with an Error
# For us:    docs/providers/africastalking.md: Ibiki calls such an answer UNKNOWN, and takes any 2xx.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts @infobip-api/sdk@0.3.2 \
  africastalking@0.8.3 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const http = require("node:http");
const { AuthType, Infobip } = require("@infobip-api/sdk");
const common = require("africastalking/lib/common");

const ITEM = { statusCode: 101, number: "+12025550143", status: "Success", messageId: "ATXid_1", cost: "KES 0.8" };
const TAKEN = { SMSMessageData: { Message: "Sent to 1/1", Recipients: [ITEM] } };
let answer, taken;

const server = http.createServer((request, response) => {
  request.resume().on("end", () => {
    taken += answer === "lost" || answer === 200 ? 1 : 0;
    if (answer === "lost") return request.socket.destroy();
    response.writeHead(answer, { "content-type": "application/json" });
    response.end(JSON.stringify(answer === 200 ? TAKEN : {}));
  });
});

async function seen(label, send) {
  taken = 0;
  let said;
  try {
    const result = await send();
    const status = Array.isArray(result) ? `, status ${result[0].SMSMessageData.status}` : "";
    said = `resolved${result instanceof Error ? " with an Error" : status}`;
  } catch {
    said = "rejected";
  }
  console.log(`${label}: ${said}${taken ? `, ${taken} message taken` : ""}`);
}

server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  common.SMS_URL = url;
  const { SMS } = require("africastalking")({ username: "user", apiKey: "key" });
  const infobip = new Infobip({ baseUrl: url, apiKey: "key", authType: AuthType.ApiKey });
  const message = { to: "+12025550143", message: "Hello" };
  const byInfobip = () =>
    infobip.channels.sms.send({ messages: [{ destinations: [{ to: "12025550143" }], from: "20255", text: "Hello" }] });
  answer = 202;
  await seen("infobip, accepted", byInfobip);
  answer = 401;
  await seen("infobip, 401", byInfobip);
  answer = 500;
  await seen("infobip, 500", byInfobip);
  await seen("africastalking, one message, 500", () => SMS.send(message));
  await seen("africastalking, a list, 500", () => SMS.send([message]));
  answer = "lost";
  await seen("africastalking, a list, taken and the answer lost", () => SMS.send([message]));
  answer = 200;
  await seen("africastalking, a list, taken and answered with 200", () => SMS.send([message]));
  server.closeAllConnections();
  server.close(() => seen("infobip, no server", byInfobip));
});
NODE

node "$folder/observe.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
infobip, accepted: resolved
infobip, 401: resolved with an Error
infobip, 500: resolved with an Error
africastalking, one message, 500: rejected
africastalking, a list, 500: resolved, status failed
africastalking, a list, taken and the answer lost: resolved, status failed, 1 message taken
africastalking, a list, taken and answered with 200: resolved, status failed, 1 message taken
infobip, no server: resolved with an Error
SEEN
