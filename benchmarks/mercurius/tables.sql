-- What benchmarks/mercurius/server.mjs stores: the tables and indexes that a send of Ibiki needs
-- too, without those of features that it lacks.
CREATE TABLE account (
    id uuid PRIMARY KEY, token text NOT NULL UNIQUE, held int8 NOT NULL CHECK (held >= 0),
    price int8 NOT NULL, version int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE idempotency_key (
    account_id uuid NOT NULL, key text NOT NULL, input_hash bytea NOT NULL, send_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (account_id, key)
);
CREATE TABLE send (
    id uuid PRIMARY KEY, account_id uuid NOT NULL, text text NOT NULL, price int8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX send_by_account ON send (account_id, id);
CREATE TABLE message (
    id uuid PRIMARY KEY, send_id uuid NOT NULL, account_id uuid NOT NULL, number text NOT NULL,
    price int8 NOT NULL, status text NOT NULL DEFAULT 'QUEUED', priority int2 NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_queue ON message (priority, account_id, created_at) WHERE status = 'QUEUED';
CREATE INDEX message_by_send ON message (send_id);
CREATE INDEX message_by_account ON message (account_id, status, id);
CREATE TABLE transfer (
    id uuid PRIMARY KEY, account_id uuid NOT NULL, send_id uuid NOT NULL, amount int8 NOT NULL,
    balance int8 NOT NULL, version int8 NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, version)
);
CREATE INDEX transfer_by_send ON transfer (send_id);
