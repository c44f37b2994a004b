// A send as a Node team would write it: Fastify, Mercurius (with its compiler of queries), and one
// statement of SQL for each send. It checks the key, charges, and stores what Ibiki stores. It does
// less than Ibiki: no opt-outs, no quiet hours, no routes, no events, one spelling of numbers.
//
//   node server.mjs PORT HOST CONNECTIONS     HOST: the directory of PostgreSQL's socket
import { createHash } from "node:crypto";
import Fastify from "fastify";
import mercurius from "mercurius";
import pg from "pg";

const [port, host, connections] = process.argv.slice(2);
const pool = new pg.Pool({ host, user: "ibiki", database: "ibiki", max: Number(connections) });

const schema = `
  input SendInput { to: String!, text: String!, idempotencyKey: String! }
  type Send { id: ID!, charged: Int! }
  type UserError { message: String! }
  union SendResult = Send | UserError
  type Query { ready: Boolean! }
  type Mutation { send(input: SendInput!): SendResult! }
`;

// The update locks the account. If the key is there already, the last insert fails, and with it all.
const SEND = {
  name: "send",
  text: `
WITH debit AS (
  UPDATE account SET held = held - price, version = version + 1
  WHERE id = $1 AND held >= price RETURNING uuidv7() AS send_id, id, price, held, version
), send AS (
  INSERT INTO send (id, account_id, text, price) SELECT send_id, id, $5, price FROM debit
), message AS (
  INSERT INTO message (id, send_id, account_id, number, price)
  SELECT uuidv7(), send_id, id, $4, price FROM debit
), transfer AS (
  INSERT INTO transfer (id, account_id, send_id, amount, balance, version)
  SELECT uuidv7(), id, send_id, price, held, version FROM debit
), key AS (
  INSERT INTO idempotency_key (account_id, key, input_hash, send_id)
  SELECT id, $2, $3, send_id FROM debit
)
SELECT send_id AS id, price AS charged FROM debit`,
};
const STORED = {
  name: "stored",
  text: `SELECT send_id AS id, input_hash AS hash, price AS charged
         FROM idempotency_key JOIN send ON send.id = send_id
         WHERE idempotency_key.account_id = $1 AND key = $2`,
};
const UNIQUE_VIOLATION = "23505";

const resolvers = {
  Query: { ready: () => true },
  Mutation: { send: (_, { input }, { account }) => send(account, input) },
  SendResult: { resolveType: (answer) => (answer.id ? "Send" : "UserError") },
};

async function send(account, { to, text, idempotencyKey }) {
  if (!account) return { message: "Not signed in." };
  const number = to.replace(/[\s().-]/g, "");
  if (!/^\+1[2-9]\d{9}$/.test(number)) return { message: "Not a phone number." };
  if (!text.trim() || text.length > 1530) return { message: "This text cannot be sent." };
  const hash = createHash("sha256").update(JSON.stringify([to, text])).digest();
  const values = [account, idempotencyKey, hash, number, text];
  try {
    const { rows } = await pool.query({ ...SEND, values });
    return rows[0] ?? { message: "The balance is too low." };
  } catch (error) {
    if (error.code !== UNIQUE_VIOLATION) throw error;
    const { rows } = await pool.query({ ...STORED, values: [account, idempotencyKey] });
    return hash.equals(rows[0].hash) ? rows[0] : { message: "The key has another input." };
  }
}

const app = Fastify();
const { rows } = await pool.query("SELECT token, id FROM account");
const accounts = new Map(rows.map((row) => [`Bearer ${row.token}`, row.id]));
await app.register(mercurius, {
  schema,
  resolvers,
  jit: 1,
  context: (request) => ({ account: accounts.get(request.headers.authorization) }),
});
await app.listen({ port: Number(port) });
