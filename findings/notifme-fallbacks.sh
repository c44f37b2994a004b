#!/usr/bin/env bash
# notifme-sdk sends a text twice if the first provider has taken it, and calls a refused one a success.
#
# Software:  notifme-sdk 1.16.25 (npm), which sends through several SMS providers. The providers are in this script.
# Seen:      2026-11, Node 20.
# Behaviour: With the strategy "fallback", the next provider is tried if one fails, as the README says.
#            (1) If the answer of a provider is lost, its request counts as failed. The provider may have taken the
#                text, and the next one sends it too. The result has the second provider only.
#            (2) An answer of Infobip counts as failed, unless its state is in the group PENDING. For
#                DELIVERED_TO_OPERATOR (group 3), which Infobip documents too, the text is sent a second time.
#            (3) For seven, each answer with status 200 is a success. seven says in the answer that it refused the
#                recipient (success false, error 202). The result is "success" with the ID null, and the next
#                provider is not tried.
# Output seen:
#            infobip, PENDING_ENROUTE: sent by api.infobip.com, success, ID 1
#            infobip, answer lost: sent by api.infobip.com api.twilio.com, success, ID SM1
#            infobip, DELIVERED_TO_OPERATOR: sent by api.infobip.com api.twilio.com, success, ID SM1
#            infobip, REJECTED_DESTINATION: sent by api.infobip.com api.twilio.com, success, ID SM1
#            seven, accepted: sent by gateway.seven.io, success, ID 77
#            seven, refused: sent by gateway.seven.io, success, ID null
# For us:    The fallback of a route gets a text only if it is certainly not sent (docs/operating.md).
#
# Runs a server on a loopback port, to which the requests are led. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts notifme-sdk@1.16.25 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const http = require("http");
const https = require("https");

const FIRST = {
  infobip: { type: "infobip", username: "user", password: "password" },
  seven: { type: "seven", apiKey: "key" },
};
const SECOND = { type: "twilio", accountSid: "AC1", authToken: "token" };
const infobip = (groupId, name) => ({ messages: [{ messageId: "1", status: { groupId, name } }] });
const seven = (message) => ({ success: message.success ? "100" : "101", messages: [message] });
const CASES = [
  ["infobip", "PENDING_ENROUTE", infobip(1, "PENDING_ENROUTE")],
  ["infobip", "answer lost", null],
  ["infobip", "DELIVERED_TO_OPERATOR", infobip(3, "DELIVERED_TO_OPERATOR")],
  ["infobip", "REJECTED_DESTINATION", infobip(5, "REJECTED_DESTINATION")],
  ["seven", "accepted", seven({ id: "77", success: true, error: null })],
  ["seven", "refused", seven({ id: null, success: false, error: "202" })],
];
let answer;
const asked = [];
const server = http.createServer(async (request, response) => {
  for await (const _ of request);
  asked.push(request.headers.host);
  const content = request.headers.host === "api.twilio.com" ? { sid: "SM1" } : answer;
  if (!content) return request.socket.destroy();
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(content));
});
server.listen(0, "127.0.0.1", async () => {
  // The hosts of the providers are fixed in the SDK.
  const { port } = server.address();
  https.request = (url, more) => {
    const options = url instanceof URL ? more : url;
    const { hostname, method, headers } = options;
    const path = url instanceof URL ? url.pathname : options.path;
    const host = hostname ?? url.hostname;
    return http.request({ host: "127.0.0.1", port, method, path, headers: { ...headers, host } });
  };
  const Sdk = require("notifme-sdk").default;
  for (const [provider, label, content] of CASES) {
    answer = content;
    asked.length = 0;
    const sms = { multiProviderStrategy: "fallback", providers: [FIRST[provider], SECOND] };
    const { status, channels } = await new Sdk({ channels: { sms } }).send({
      sms: { from: "Shop", to: "+12025550101", text: "Hello" },
    });
    console.log(`${provider}, ${label}: sent by ${asked.join(" ")}, ${status}, ID ${channels.sms.id}`);
  }
  server.close();
});
NODE

node "$folder/observe.cjs" 2>"$folder/log" | grep -v '^{' | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
infobip, PENDING_ENROUTE: sent by api.infobip.com, success, ID 1
infobip, answer lost: sent by api.infobip.com api.twilio.com, success, ID SM1
infobip, DELIVERED_TO_OPERATOR: sent by api.infobip.com api.twilio.com, success, ID SM1
infobip, REJECTED_DESTINATION: sent by api.infobip.com api.twilio.com, success, ID SM1
seven, accepted: sent by gateway.seven.io, success, ID 77
seven, refused: sent by gateway.seven.io, success, ID null
SEEN
