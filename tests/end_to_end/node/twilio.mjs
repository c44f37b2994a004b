// Does with Twilio's own client what its users do, and prints what came back as one line of JSON.
// node twilio.mjs ADDRESS ACCOUNT_SID KEY_SID SECRET

import twilio from "twilio";

const [address, accountSid, keySid, secret] = process.argv.slice(2);

function clientWith(password) {
  const client = twilio(keySid, password, { accountSid });
  client.api.baseUrl = address;
  return client;
}

async function failureOf(promise) {
  const error = await promise.then(() => null, (reason) => reason);
  return error && { name: error.constructor.name, status: error.status, code: error.code };
}

const client = clientWith(secret);
const created = await client.messages.create({ to: "+12025550110", from: "+12025550111", body: "From Node" });
const later = new Date(Date.now() + 3_600_000);
const scheduled = await client.messages.create({
  to: "+12025550112",
  messagingServiceSid: "MG" + "0".repeat(32),
  body: "Later",
  scheduleType: "fixed",
  sendAt: later,
});
const canceled = await client.messages(scheduled.sid).update({ status: "canceled" });
const all = await client.messages.list({ pageSize: 1, limit: 3 });
const nothing = await client.messages.list({ dateSentAfter: new Date(Date.now() + 86_400_000) });
const fetched = await client.messages(created.sid).fetch();

console.log(
  JSON.stringify({
    created,
    dateIsValid: created.dateCreated instanceof Date && !Number.isNaN(created.dateCreated.getTime()),
    scheduled: scheduled.status,
    canceled: canceled.status,
    all: all.map((each) => each.sid),
    nothing: nothing.length,
    fetched: fetched.sid,
    account: (await client.api.v2010.accounts(accountSid).fetch()).friendlyName,
    balance: (await client.balance.fetch()).currency,
    scheduledSid: scheduled.sid,
    invalid: await failureOf(client.messages.create({ to: "12", body: "Hi" })),
    unknown: await failureOf(client.messages("SM" + "0".repeat(32)).fetch()),
    wrongSecret: await failureOf(clientWith("wrong").messages.list({ limit: 1 })),
  }),
);
