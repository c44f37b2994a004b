-- What must hold whatever the program does, for what comes back from phones and providers.

ALTER TABLE webhook_event
    ADD CONSTRAINT webhook_event_outcome_known CHECK (
        outcome IN ('ROUTED', 'UNROUTED', 'DUPLICATE', 'REFUSED', 'INVALID')),
    ADD CONSTRAINT webhook_event_routed_to_somebody CHECK (
        (outcome = 'ROUTED') = (client_id IS NOT NULL)),
    ADD CONSTRAINT webhook_event_waits_unrouted CHECK (due_at IS NULL OR outcome = 'UNROUTED'),
    ADD CONSTRAINT webhook_event_refused_without_content CHECK (
        outcome <> 'REFUSED' OR octet_length(body) = 0),
    ADD CONSTRAINT webhook_event_body_bounded CHECK (octet_length(body) <= 65536),
    ADD CONSTRAINT webhook_event_times_positive CHECK (times > 0 AND tries >= 0),
    ADD CONSTRAINT webhook_event_key_unique UNIQUE (key);
CREATE INDEX webhook_event_due ON webhook_event (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_event_by_outcome ON webhook_event (outcome, id DESC);

ALTER TABLE inbound
    ADD CONSTRAINT inbound_feed_unique UNIQUE (client_id, feed),
    ADD CONSTRAINT inbound_feed_positive CHECK (feed > 0);
CREATE INDEX inbound_by_client ON inbound (client_id, id DESC);
CREATE INDEX inbound_by_number ON inbound (client_id, number, id DESC);

ALTER TABLE conversation
    ADD CONSTRAINT conversation_number_unique UNIQUE (client_id, number),
    ADD CONSTRAINT conversation_unread_positive CHECK (unread >= 0),
    ADD CONSTRAINT conversation_line_whole CHECK (num_nulls(modem, port) IN (0, 2));
CREATE UNIQUE INDEX conversation_by_activity ON conversation (client_id, last_message_id DESC);
CREATE INDEX conversation_unread ON conversation (client_id, last_message_id DESC) WHERE unread > 0;

ALTER TABLE conversation_line
    DROP CONSTRAINT conversation_line_pkey,
    ADD PRIMARY KEY (number, modem, port, client_id);

-- One index answers who wrote to a number lately, and what one client wrote to it, newest first.
ALTER TABLE sent_to
    DROP CONSTRAINT sent_to_pkey,
    ADD PRIMARY KEY (number, client_id, message_id);
INSERT INTO sent_to (number, client_id, message_id)
SELECT message.number, message.client_id, message.id
FROM message JOIN send ON send.id = message.send_id WHERE send.captured
ORDER BY 1, 2, 3;

ALTER TABLE modem_route
    ADD CONSTRAINT modem_route_line_unique UNIQUE (client_id, modem, port),
    ADD CONSTRAINT modem_route_client_exists FOREIGN KEY (client_id) REFERENCES client (id);
CREATE UNIQUE INDEX modem_route_by_hand_unique ON modem_route (modem, port) WHERE NOT learned;
CREATE INDEX modem_route_by_line ON modem_route (modem, port);
ALTER TABLE assigned_number
    ADD CONSTRAINT assigned_number_route_exists FOREIGN KEY (route_id)
        REFERENCES modem_route (id) ON DELETE CASCADE;
CREATE INDEX assigned_number_by_route ON assigned_number (route_id) WHERE route_id IS NOT NULL;

ALTER TABLE opt_out
    DROP CONSTRAINT opt_out_pkey,
    ADD PRIMARY KEY (client_id, number),
    ADD CONSTRAINT opt_out_source_known CHECK (source IN ('KEYWORD', 'BLOCKED', 'PERSON')),
    ADD CONSTRAINT opt_out_client_exists FOREIGN KEY (client_id) REFERENCES client (id);

ALTER TABLE status_poll
    DROP CONSTRAINT status_poll_pkey,
    ADD PRIMARY KEY (provider_account_id, round);

ALTER TABLE send
    ADD CONSTRAINT send_line_whole CHECK (num_nulls(modem, port) IN (0, 2));

-- Delivery reports name a message by the provider's id, which it has only once it was taken: the
-- accept path does not touch this index.
CREATE INDEX message_by_reference ON message (reference) WHERE reference IS NOT NULL;
