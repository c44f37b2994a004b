-- What must hold whatever the program does. Read back by tests/persistence/test_constraints.py.

-- Who there is

ALTER TABLE client
    ADD CONSTRAINT client_status_known CHECK (upper(status) IN ('ACTIVE', 'DORMANT', 'SUSPENDED')),
    ADD CONSTRAINT client_group_exists FOREIGN KEY (group_id) REFERENCES client_group (id),
    ADD CONSTRAINT client_account_unique UNIQUE (account_id);
CREATE INDEX client_by_group ON client (group_id);
ALTER TABLE client_group
    ADD CONSTRAINT client_group_account_unique UNIQUE (account_id);
ALTER TABLE assigned_number
    ADD CONSTRAINT assigned_number_client_exists FOREIGN KEY (client_id) REFERENCES client (id);
CREATE INDEX assigned_number_by_client ON assigned_number (client_id);
ALTER TABLE app_user
    ADD CONSTRAINT app_user_role_known CHECK (role IN ('ADMIN', 'SUPERVISOR', 'CLIENT')),
    ADD CONSTRAINT app_user_role_fits CHECK (
        (role = 'CLIENT' AND client_id IS NOT NULL AND group_id IS NULL)
        OR (role = 'SUPERVISOR' AND group_id IS NOT NULL)
        OR (role = 'ADMIN' AND client_id IS NULL AND group_id IS NULL)),
    ADD CONSTRAINT app_user_client_exists FOREIGN KEY (client_id) REFERENCES client (id),
    ADD CONSTRAINT app_user_group_exists FOREIGN KEY (group_id) REFERENCES client_group (id);
CREATE UNIQUE INDEX app_user_email_unique ON app_user (lower(email));
CREATE INDEX app_user_by_client ON app_user (client_id);
ALTER TABLE session
    ADD CONSTRAINT session_user_exists FOREIGN KEY (user_id) REFERENCES app_user (id);
CREATE INDEX session_by_user ON session (user_id) WHERE revoked_at IS NULL;
ALTER TABLE refresh_token
    ADD CONSTRAINT refresh_token_hash_unique UNIQUE (token_hash),
    ADD CONSTRAINT refresh_token_session_exists FOREIGN KEY (session_id) REFERENCES session (id);
CREATE INDEX refresh_token_by_session ON refresh_token (session_id);
CREATE INDEX refresh_token_by_expiry ON refresh_token (expires_at);
ALTER TABLE api_key
    ADD CONSTRAINT api_key_secret_unique UNIQUE (secret_hash),
    ADD CONSTRAINT api_key_user_exists FOREIGN KEY (user_id) REFERENCES app_user (id);
CREATE INDEX api_key_by_user ON api_key (user_id);
CREATE INDEX access_change_by_time ON access_change (created_at);

-- What they hold

ALTER TABLE provider_account
    ADD CONSTRAINT provider_account_price_positive CHECK (price > 0 AND price <= 1000000000),
    ADD CONSTRAINT provider_account_valuation_known CHECK (valuation IN ('AS_IS', 'EGOSMS_OWN')),
    ADD CONSTRAINT provider_account_account_unique UNIQUE (account_id);
CREATE UNIQUE INDEX provider_account_default_unique ON provider_account (is_default) WHERE is_default;
CREATE UNIQUE INDEX provider_account_owner_unique ON provider_account (owner_client_id);

-- Half-empty pages and no index on held or version keep the updates of a balance HOT.
ALTER TABLE account SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
ALTER TABLE account
    ADD CONSTRAINT account_kind_known CHECK (kind IN ('POOL', 'GROUP', 'CLIENT')),
    ADD CONSTRAINT account_parent_fits CHECK ((kind = 'POOL') = (parent_id IS NULL)),
    ADD CONSTRAINT account_arrears_positive CHECK (arrears >= 0),
    ADD CONSTRAINT account_not_below_zero CHECK (kind = 'POOL' OR held >= -arrears),
    ADD CONSTRAINT account_bounded CHECK (
        held BETWEEN -9007199254740991 AND 9007199254740991 AND version >= 0);
CREATE INDEX account_by_parent ON account (parent_id);
CREATE INDEX account_by_provider_account ON account (provider_account_id);

ALTER TABLE transfer
    ADD CONSTRAINT transfer_kind_known CHECK (
        kind IN ('OPENING', 'ALLOCATION', 'SEND', 'REFUND', 'SYNC', 'RECONCILE')),
    ADD CONSTRAINT transfer_amount_positive CHECK (
        amount BETWEEN 1 AND 9007199254740991 OR (amount = 0 AND kind = 'SYNC')),
    ADD CONSTRAINT transfer_has_an_end CHECK (source_id IS NOT NULL OR destination_id IS NOT NULL),
    ADD CONSTRAINT transfer_ends_differ CHECK (source_id IS DISTINCT FROM destination_id),
    ADD CONSTRAINT transfer_source_whole CHECK (
        num_nulls(source_id, source_balance, source_version) IN (0, 3)),
    ADD CONSTRAINT transfer_destination_whole CHECK (
        num_nulls(destination_id, destination_balance, destination_version) IN (0, 3)),
    ADD CONSTRAINT transfer_shape_fits_kind CHECK (CASE kind
        WHEN 'OPENING' THEN source_id IS NULL
        WHEN 'ALLOCATION' THEN source_id IS NOT NULL AND destination_id IS NOT NULL
        WHEN 'SEND' THEN destination_id IS NULL AND send_id IS NOT NULL
        WHEN 'REFUND' THEN destination_id IS NOT NULL AND send_id IS NOT NULL
        WHEN 'SYNC' THEN (source_id IS NULL OR destination_id IS NULL) AND sync_id IS NOT NULL
        ELSE true END);
CREATE UNIQUE INDEX transfer_by_source ON transfer (source_id, source_version)
    WHERE source_id IS NOT NULL;
CREATE UNIQUE INDEX transfer_by_destination ON transfer (destination_id, destination_version)
    WHERE destination_id IS NOT NULL;
CREATE UNIQUE INDEX transfer_one_charge_a_send ON transfer (send_id) WHERE kind = 'SEND';
CREATE INDEX transfer_refunds_of_a_send ON transfer (send_id) WHERE kind = 'REFUND';

CREATE FUNCTION transfer_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a transfer is never changed or deleted: write another one'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION transfer_is_append_only();

-- Each transfer stays in its pool and is the next one of the nodes at its ends: the version that
-- follows the last (no gap, and no fork of two ends with one version), and the balance that the
-- node then holds. One check a statement, however many transfers it writes.
CREATE FUNCTION transfer_fits_its_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    SELECT CASE WHEN one_pool AND account.provider_account_id = pool_id
                THEN 'a transfer is the next one of the account at either end'
                ELSE 'a transfer stays within one pool' END
    INTO broken
    FROM (
        SELECT account_id, count(*) AS entries, min(version) AS first, max(version) AS last,
               (array_agg(balance ORDER BY version DESC))[1] AS left_at,
               (array_agg(provider_account_id))[1] AS pool_id,
               count(DISTINCT provider_account_id) = 1 AS one_pool
        FROM (
            SELECT source_id AS account_id, source_version AS version,
                   source_balance AS balance, provider_account_id
            FROM written WHERE source_id IS NOT NULL
            UNION ALL
            SELECT destination_id, destination_version, destination_balance, provider_account_id
            FROM written WHERE destination_id IS NOT NULL
        ) AS ends
        GROUP BY account_id
    ) AS touched
    LEFT JOIN account ON account.id = touched.account_id
    WHERE account.provider_account_id IS DISTINCT FROM pool_id OR NOT one_pool
       OR account.version <> last OR account.held <> left_at OR last <> first + entries - 1
       OR entries + (first > 1)::int <>
          (SELECT count(*) FROM transfer
           WHERE source_id = touched.account_id AND source_version >= first - 1)
        + (SELECT count(*) FROM transfer
           WHERE destination_id = touched.account_id AND destination_version >= first - 1)
    LIMIT 1;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '%', broken USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_fits_its_accounts AFTER INSERT ON transfer
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION transfer_fits_its_accounts();

DO $$
BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON transfer FROM PUBLIC, %I', current_user);
END $$;

ALTER TABLE sync
    ADD CONSTRAINT sync_in_flight_positive CHECK (in_flight >= 0);
CREATE INDEX sync_by_provider_account ON sync (provider_account_id, created_at DESC);

ALTER TABLE idempotency_key
    ADD CONSTRAINT idempotency_key_unique UNIQUE (scope_id, key),
    ADD CONSTRAINT idempotency_key_bounded CHECK (length(key) BETWEEN 1 AND 255);
CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at);

-- What they send

ALTER TABLE send
    ADD CONSTRAINT send_kind_known CHECK (kind IN ('REPLY', 'SINGLE', 'BULK', 'MULTI', 'CSV')),
    ADD CONSTRAINT send_counts_positive CHECK (accepted > 0 AND rejected_count >= 0 AND price > 0);
CREATE INDEX send_by_client ON send (client_id, id DESC);
CREATE INDEX send_uncaptured ON send (id) WHERE NOT captured;

ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE message
    ADD CONSTRAINT message_status_known CHECK (status IN (
        'QUEUED', 'SUBMITTING', 'SENT', 'DELIVERED', 'UNDELIVERED',
        'REJECTED', 'UNKNOWN', 'CANCELLED')),
    ADD CONSTRAINT message_never_sent_without_attempt CHECK (
        status IN ('QUEUED', 'CANCELLED', 'REJECTED') OR attempt_id IS NOT NULL);
CREATE INDEX message_by_client ON message (client_id, id DESC);
CREATE INDEX message_by_send ON message (send_id, id);
-- The queue: replies first, then tenant by tenant, then who has been due longest.
CREATE INDEX message_queue ON message (provider_account_id, priority, client_id, due_at, id)
    WHERE status = 'QUEUED';
CREATE INDEX message_undecided ON message (attempt_id) WHERE status IN ('SUBMITTING', 'UNKNOWN');
CREATE INDEX message_in_doubt ON message (client_id, id) WHERE status = 'UNKNOWN';

ALTER TABLE attempt
    ADD CONSTRAINT attempt_outcome_known CHECK (
        outcome IN ('ACCEPTED', 'REJECTED', 'NOT_SENT', 'ACCOUNT_REFUSED', 'UNKNOWN', 'MIXED')),
    ADD CONSTRAINT attempt_ends_with_an_outcome CHECK (num_nulls(ended_at, outcome) IN (0, 2));
CREATE INDEX attempt_open ON attempt (provider_account_id, lease_until) WHERE ended_at IS NULL;
CREATE INDEX attempt_doubtful ON attempt (provider_account_id, ended_at)
    WHERE outcome IN ('UNKNOWN', 'MIXED', 'ACCOUNT_REFUSED');

ALTER TABLE contact
    ADD CONSTRAINT contact_number_unique UNIQUE (client_id, number);
CREATE INDEX contact_by_client ON contact (client_id, id DESC);
