-- NOT VALID: adding a constraint must not read a large table under a lock. 0017_senders_indexes
-- validates them.
ALTER TABLE webhook_event ADD CONSTRAINT webhook_event_pending_unrouted CHECK (
    NOT opt_out_pending OR (outcome = 'UNROUTED' AND sender IS NOT NULL)) NOT VALID;
ALTER TABLE opt_out
    DROP CONSTRAINT opt_out_source_known,
    ADD CONSTRAINT opt_out_source_known CHECK (
        source IN ('KEYWORD', 'BLOCKED', 'PERSON', 'PENDING')) NOT VALID;
