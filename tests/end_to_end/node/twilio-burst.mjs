// Sends more messages at once than a client may, first without repeating and then with autoRetry.
// Prints the refusals of the first and the SIDs of the second as one line of JSON.
// node twilio-burst.mjs ADDRESS ACCOUNT_SID KEY_SID SECRET COUNT

import twilio from "twilio";

const [address, accountSid, keySid, secret, count] = process.argv.slice(2);

async function burst(options) {
  const client = twilio(keySid, secret, { accountSid, ...options });
  client.api.baseUrl = address;
  const sends = Array.from({ length: Number(count) }, (_, position) =>
    client.messages.create({ to: "+12025550130", body: `Burst ${position}` }),
  );
  return Promise.allSettled(sends);
}

const once = await burst({});
const repeated = await burst({ autoRetry: true, maxRetries: 20 });
console.log(
  JSON.stringify({
    refused: once.filter((each) => each.reason).map(({ reason }) => ({ status: reason.status, code: reason.code })),
    created: repeated.map((each) => each.value?.sid ?? String(each.reason)),
  }),
);
