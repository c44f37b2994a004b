-- What an installation holds after a year. benchmarks/fill.py runs it step by step; a step begins
-- with "-- step". IDs are UUIDv7 (RFC 9562 §5.7) of the time of the row and a number.

-- step plan: numbers of everything
CREATE FUNCTION filling.id(ms int8, n int8) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(ms), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid $$;
-- The last 24 bits belong to the messages of the send: see domain.ids.new_send_id.
CREATE FUNCTION filling.send_id(ms int8, n int8) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT filling.id(ms, n << 24) $$;
CREATE FUNCTION filling.at(ms int8) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(ms / 1000.0) $$;
CREATE FUNCTION filling.number(n int8) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '+1' || (2012000000 + n)::text $$;
-- A time in the year: evenly spread, and different for each n.
CREATE FUNCTION filling.ms(n int8, filling.year) RETURNS int8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT $2.start_ms + n * 7876543211 % ($2.end_ms - $2.start_ms) $$;
-- How many of the first n messages the provider did not take: 4 of 100.
CREATE FUNCTION filling.given_back(n int8) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT n / 100 * 4 + least(n % 100, 4) $$;

-- Of each client's messages, 40 % are in large bulks, 30 % in small ones, 30 % are single.
CREATE UNLOGGED TABLE filling.send AS
WITH sizes AS (
    SELECT *, (messages * 4 / 10) / large AS larges,
           (messages * 7 / 10 - (messages * 4 / 10) / large * large) / small AS smalls
    FROM filling.client, filling.year
), made AS (
    SELECT no AS client_no, i, 'BULK' AS kind, large AS accepted, false AS queued
    FROM sizes, generate_series(1, larges) AS i
    UNION ALL
    SELECT no, i, (ARRAY['BULK', 'MULTI', 'CSV'])[1 + i % 3], small, false
    FROM sizes, generate_series(1, smalls) AS i
    UNION ALL
    SELECT no, i, CASE WHEN i % 20 = 0 THEN 'REPLY' ELSE 'SINGLE' END, 1, false
    FROM sizes, generate_series(1, messages - larges * large - smalls * small) AS i
    UNION ALL
    SELECT no, i, 'BULK', large, true FROM sizes, generate_series(1, queued_bulks) AS i
), timed AS (
    SELECT made.*, CASE WHEN queued THEN end_ms + 1000 * i + client_no
                   ELSE filling.ms(i * 211 + client_no + accepted, year) END AS ms
    FROM made, filling.year
)
SELECT row_number() OVER each AS no, ms, client_no, kind, accepted::int8, queued,
       (sum(accepted) OVER each - accepted)::int8 AS first
FROM timed WINDOW each AS (ORDER BY ms, client_no, accepted, i ROWS UNBOUNDED PRECEDING);
ANALYZE filling.send;

-- step messages
INSERT INTO message (id, send_id, client_id, provider_account_id, number, text, status, priority,
                     price, due_at, attempt_id, attempts, failure, reference, created_at, updated_at,
                     by_send)
SELECT filling.id(ms, (send.no << 24) + n - first + 1), filling.send_id(ms, send.no), client.id, pool_id,
       filling.number(n % contacts),
       CASE WHEN kind = 'MULTI' THEN
           format('Dear customer %s, your parcel %s is ready at our shop in %s. Thank you.',
                  n % 977, n, (ARRAY['Springfield', 'Riverside', 'Fairview'])[1 + n % 3]) END,
       status, CASE kind WHEN 'REPLY' THEN 0 WHEN 'SINGLE' THEN 1 ELSE 2 END, 1,
       CASE WHEN status NOT IN ('SENT', 'DELIVERED', 'UNDELIVERED') THEN filling.at(ms) END,
       CASE WHEN status NOT IN ('QUEUED', 'CANCELLED')
            THEN filling.id(ms, n - (n - first) % 100) END,
       (status NOT IN ('QUEUED', 'CANCELLED'))::int,
       CASE WHEN status IN ('REJECTED', 'UNDELIVERED') THEN 'The network refused the number.' END,
       CASE WHEN status IN ('SENT', 'DELIVERED', 'UNDELIVERED') THEN 'r' || n END,
       filling.at(ms), filling.at(ms + CASE WHEN send.queued THEN 0 ELSE 3000 END), NULL
FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no
CROSS JOIN LATERAL generate_series(first, first + accepted - 1) AS n
CROSS JOIN LATERAL (SELECT CASE
    WHEN send.queued THEN 'QUEUED' WHEN n % 100 < 3 THEN 'REJECTED' WHEN n % 100 = 3 THEN 'CANCELLED'
    WHEN n % 100 < 9 THEN 'UNDELIVERED' WHEN n % 100 < 29 THEN 'SENT'
    WHEN n % 10000 = 5050 THEN 'UNKNOWN' ELSE 'DELIVERED' END AS status OFFSET 0) AS each;

-- step sends
INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                  rejected_count, captured, modem, port, created_at)
SELECT filling.send_id(ms, send.no), client.id, account_id, pool_id, kind,
       CASE WHEN kind <> 'MULTI' THEN
           format('Hello from %s: your order %s leaves today. Questions? Write to us.',
                  (ARRAY['the bakery', 'the school', 'the clinic', 'the garage'])[1 + send.no % 4],
                  send.no) END,
       1, accepted, 0, true, CASE WHEN kind = 'REPLY' THEN 'm' || client_no END,
       CASE WHEN kind = 'REPLY' THEN '1' END, filling.at(ms)
FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no;

-- step attempts: a call for each single message, and for each 100 of a bulk
INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,
                     lease_until, ended_at, outcome)
SELECT filling.id(ms, n), pool_id, NULL, 0, least(100, first + accepted - n),
       filling.at(ms + 1000), NULL, filling.at(ms + 2000), 'ACCEPTED'
FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no
CROSS JOIN LATERAL generate_series(first, first + accepted - 1, 100) AS n
WHERE NOT queued;

-- step transfers
CREATE UNLOGGED TABLE filling.posting AS
SELECT row_number() OVER (ORDER BY ms, part, key) AS no, posting.* FROM (
    SELECT start_ms AS ms, 0 AS part, 0::int8 AS key, 'OPENING' AS kind, NULL::uuid AS source_id,
           pool_account_id AS destination_id, 1000000000::int8 AS amount, NULL::uuid AS send_id
    FROM filling.client, filling.year WHERE no = 1
    UNION ALL
    SELECT start_ms, 1, (row_number() OVER ())::int8, 'ALLOCATION', pool_account_id,
           group_account_id, 2 * sum(messages + 12000 + queued_bulks * large)::int8, NULL
    FROM filling.client, filling.year WHERE group_account_id IS NOT NULL
    GROUP BY start_ms, pool_account_id, group_account_id
    UNION ALL
    SELECT start_ms + month * (end_ms - start_ms) / 12, 2, no, 'ALLOCATION',
           coalesce(group_account_id, pool_account_id), account_id,
           CASE month WHEN 0 THEN messages + queued_bulks * large + 1000 ELSE 1000 END, NULL
    FROM filling.client, filling.year, generate_series(0, 11) AS month
    UNION ALL
    SELECT ms, 3, send.no, 'SEND', account_id, NULL, accepted, filling.send_id(ms, send.no)
    FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no
    UNION ALL
    SELECT ms + 3000, 4, send.no, 'REFUND', NULL, account_id, refunded, filling.send_id(ms, send.no)
    FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no
    CROSS JOIN LATERAL (
        SELECT filling.given_back(first + accepted) - filling.given_back(first) AS refunded) AS each
    WHERE NOT queued AND refunded > 0
) AS posting;
CREATE UNLOGGED TABLE filling.end AS
SELECT no, account_id, row_number() OVER each AS version,
       (sum(sign * amount) OVER each)::int8 AS balance
FROM (
    SELECT no, -1 AS sign, source_id AS account_id, amount FROM filling.posting
    WHERE source_id IS NOT NULL
    UNION ALL
    SELECT no, 1, destination_id, amount FROM filling.posting WHERE destination_id IS NOT NULL
) AS ends WINDOW each AS (PARTITION BY account_id ORDER BY no);
ANALYZE filling.posting, filling.end;
INSERT INTO transfer (id, provider_account_id, kind, source_id, destination_id, amount,
                      source_balance, source_version, destination_balance, destination_version,
                      send_id, created_at)
SELECT CASE kind WHEN 'SEND' THEN send_id ELSE filling.id(ms, posting.no) END,
       (SELECT pool_id FROM filling.client LIMIT 1), kind, source_id, destination_id,
       amount, source.balance, source.version, destination.balance,
       destination.version, send_id, filling.at(ms)
FROM filling.posting
LEFT JOIN filling.end AS source ON source.no = posting.no AND source.account_id = source_id
LEFT JOIN filling.end AS destination
    ON destination.no = posting.no AND destination.account_id = destination_id
ORDER BY posting.no;
UPDATE account SET held = last.balance, version = last.version FROM (
    SELECT DISTINCT ON (account_id) * FROM filling.end ORDER BY account_id, version DESC
) AS last WHERE account.id = last.account_id;

-- step contacts
INSERT INTO contact (id, client_id, number, name, business, created_at)
SELECT filling.id(ms, no * 100000000 + n), id, filling.number(n),
       CASE WHEN n % 3 = 0 THEN
           (ARRAY['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara'])[1 + n % 5] || ' '
           || (ARRAY['Lane', 'Hill', 'Ford', 'Wood', 'Marsh', 'Brook', 'Field'])[1 + n % 7]
           || ' ' || n END,
       CASE WHEN n % 10 = 0 THEN 'Shop ' || n % 1000 END, filling.at(ms)
FROM (
    SELECT client.no, client.id, n, filling.ms(n * 211 + client.no, year) AS ms
    FROM filling.client AS client, filling.year, generate_series(0, contacts - 1) AS n
) AS each
ORDER BY 1;
INSERT INTO opt_out (client_id, number, source, created_at)
SELECT client_id, number, 'KEYWORD', created_at FROM contact WHERE right(number, 2) = '77';

-- step inbound: one for 20 messages, from a fifth of the contacts
INSERT INTO inbound (id, client_id, feed, number, text, modem, port, created_at)
SELECT filling.id(ms, 1000000000000 + no * 100000000 + n), id,
       row_number() OVER (PARTITION BY id ORDER BY ms, n),
       filling.number(n * 7 % greatest(contacts / 5, 1)),
       format('Thank you. When will order %s come?', n), 'm' || no, '1', filling.at(ms)
FROM (
    SELECT client.*, n, filling.ms(n * 211 + client.no + 100, year) AS ms
    FROM filling.client AS client, filling.year, generate_series(1, messages / 20) AS n
) AS each
ORDER BY 1;
INSERT INTO client_feed (client_id, last_feed) SELECT client_id, max(feed) FROM inbound GROUP BY 1;
INSERT INTO modem_route (id, client_id, modem, port, learned, last_seen_at)
SELECT gen_random_uuid(), id, 'm' || no, '1', true, now() FROM filling.client;

-- step events
INSERT INTO webhook_event (id, provider, body, outcome, reason, client_id, inbound_id, modem, port,
                           sender, received_at, updated_at)
SELECT id, 'extreme',
       convert_to(format('{"from": "%s", "message": "%s", "modem": "%s", "port": "1", "id": "%s"}',
                         number, text, modem, id), 'UTF8'),
       'ROUTED', 'Its conversation was last active on this line.', client_id, id, modem, port,
       number, created_at, created_at
FROM inbound
UNION ALL
SELECT filling.id(ms + 4000, 2000000000000 + n), 'extreme',
       convert_to(format('{"id": "r%s", "status": "delivered", "to": "%s", "at": "%s"}',
                         n, filling.number(n % contacts), filling.at(ms + 4000)), 'UTF8'),
       'ROUTED', 'Delivery report.', client.id, NULL, NULL, NULL, NULL,
       filling.at(ms + 4000), filling.at(ms + 4000)
FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no
CROSS JOIN LATERAL generate_series(first + (4 - first % 4) % 4, first + accepted - 1, 4) AS n
WHERE NOT send.queued
UNION ALL
SELECT filling.id(filling.ms(n, year), 3000000000000 + n), 'extreme',
       convert_to(format('{"from": "%s", "message": "Hello? %s"}', filling.number(n), n), 'UTF8'),
       CASE WHEN n % 4 = 0 THEN 'UNROUTED' ELSE 'DUPLICATE' END,
       CASE WHEN n % 4 = 0 THEN 'No rule matches.'
            ELSE 'The same event was stored before: nothing was changed.' END,
       NULL, NULL, NULL, NULL, NULL, filling.at(filling.ms(n, year)),
       filling.at(filling.ms(n, year))
FROM filling.year, generate_series(1, (SELECT sum(messages)::int8 FROM filling.client) / 50) AS n
ORDER BY 1;

-- step event_keys
INSERT INTO webhook_event_key (key, event_id)
SELECT md5(id::text)::uuid, id FROM webhook_event WHERE outcome <> 'DUPLICATE' ORDER BY id;

-- step sent_to: of the months that are not closed
INSERT INTO sent_to (number, client_id, message_id)
SELECT number, client_id, id FROM message WHERE id >= (SELECT open_id FROM filling.year);

-- step tallies: of sends with several messages, as the trigger would have counted them
INSERT INTO send_tally (send_id, queued, submitting, sent, delivered, undelivered, rejected, unknown,
                        cancelled)
SELECT send_id, count(*) FILTER (WHERE status = 'QUEUED') - count(*),
       count(*) FILTER (WHERE status = 'SUBMITTING'), count(*) FILTER (WHERE status = 'SENT'),
       count(*) FILTER (WHERE status = 'DELIVERED'), count(*) FILTER (WHERE status = 'UNDELIVERED'),
       count(*) FILTER (WHERE status = 'REJECTED'), count(*) FILTER (WHERE status = 'UNKNOWN'),
       count(*) FILTER (WHERE status = 'CANCELLED')
FROM message WHERE priority = 2 GROUP BY send_id;

INSERT INTO open_send (send_id, provider_account_id)
SELECT filling.send_id(ms, send.no), pool_id
FROM filling.send AS send JOIN filling.client AS client ON client.no = client_no WHERE queued;

-- step conversations: after sent_to has its index
INSERT INTO conversation (id, client_id, number, unread, last_message_id, last_inbound_id, modem,
                          port, created_at, updated_at)
SELECT last.id, client_id, number, (last.feed % 9 = 0)::int,
       greatest(last.id, (SELECT message_id FROM open_sent_to AS sent_to
                          WHERE number = last.number AND client_id = last.client_id
                          ORDER BY message_id DESC LIMIT 1),
                (SELECT message_id FROM closed_sent_to AS sent_to
                 WHERE number_hash = hashtext(last.number) AND number = last.number
                   AND client_hash = uuid_hash(last.client_id) AND client_id = last.client_id
                 ORDER BY message_id DESC LIMIT 1)),
       last.id, modem, port, created_at, created_at
FROM (SELECT DISTINCT ON (client_id, number) * FROM inbound
      ORDER BY client_id, number, id DESC) AS last;
INSERT INTO conversation_line (number, modem, port, client_id, last_active_id)
SELECT number, modem, port, client_id, last_message_id FROM conversation;
