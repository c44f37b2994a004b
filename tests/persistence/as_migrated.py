"""The constraints, indexes, triggers and storage that the migrations make, table by table.

Constraints are listed by their names without the table's. Primary keys are those of the models,
except for the ones in PRIMARY_KEYS. test_models compares columns and `NOT NULL`.
"""

from __future__ import annotations

CONSTRAINTS = {
    "account": "arrears_positive bounded kind_known not_below_zero parent_fits",
    "api_key": "secret_unique user_exists",
    "app_user": "client_exists group_exists role_fits role_known",
    "assigned_number": "client_exists route_exists",
    "attempt": "ends_with_an_outcome outcome_known",
    "client": "account_unique group_exists retention_positive status_known threshold_positive",
    "client_group": "account_unique",
    "contact": "number_unique",
    "conversation": "line_whole number_unique unread_positive",
    "hook_delivery": "status_known",
    "hook_endpoint": "client_exists failing_whole signs",
    "idempotency_key": "bounded",
    "imported_line": "counts_positive reference_unique",
    "inbound": "feed_positive feed_unique",
    "ledger_audit": "finished_in_time state_known",
    "low_balance": "client_exists",
    "message": "never_sent_without_attempt status_known waits_for_a_time",
    "modem_route": "client_exists line_unique",
    "opening_balance": "units_positive",
    "opt_out": "client_exists source_known",
    "provider_route": "account_exists costs_bounded fallback_exists fallback_whole pool_exists"
    " prefix_digits",
    "provider_account": "account_unique price_positive valuation_known",
    "reconciliation": "counts_positive",
    "reconciliation_difference": "run_exists",
    "refresh_token": "hash_unique session_exists",
    "send": "counts_positive kind_known line_whole",
    "send_job": "counts_positive has_plan",
    "session": "user_exists",
    "sync": "in_flight_positive",
    "template": "client_exists",
    "transfer": "amount_positive destination_whole ends_differ has_an_end kind_known"
    " shape_fits_kind source_whole",
    "upload": "client_exists has_rows",
    "upload_part": "upload_exists",
    "webhook_event": "body_bounded outcome_known pending_unrouted"
    " refused_without_content routed_to_somebody times_positive waits_unrouted",
}
PRIMARY_KEYS = {
    "conversation_line": "number modem port client_id",
    "ledger_checkpoint_account": "checkpoint_id account_id",
    "opening_balance": "client_id reference",
    "opt_out": "client_id number",
    "sent_to": "number client_id message_id",
    "status_poll": "provider_account_id round",
    "upload_part": "upload_id position",
}
CHANGED_BRIN = "brin (changed_xid, updated_at) WITH (pages_per_range='16', autosummarize='on')"
CHANGING = ("conversation", "message", "webhook_event")
INDEXES = {
    "access_change_by_time": "(created_at)",
    "access_change_by_transaction": "(transaction_id)",
    "account_by_parent": "(parent_id)",
    "account_by_provider_account": "(provider_account_id)",
    "api_key_by_user": "(user_id)",
    "app_user_by_client": "(client_id)",
    "app_user_email_unique": "UNIQUE (lower(email))",
    "assigned_number_by_client": "(client_id)",
    "assigned_number_by_route": "(route_id) WHERE (route_id IS NOT NULL)",
    "attempt_doubtful": "(provider_account_id, ended_at) WHERE (outcome = ANY"
    " (ARRAY['UNKNOWN'::text, 'MIXED'::text, 'ACCOUNT_REFUSED'::text]))",
    "attempt_open": "(provider_account_id, lease_until) WHERE (ended_at IS NULL)",
    "client_by_group": "(group_id)",
    "client_with_threshold": "(account_id) INCLUDE (low_balance_threshold)"
    " WHERE (low_balance_threshold IS NOT NULL)",
    "contact_by_client": "(client_id, id DESC)",
    "conversation_by_activity": "UNIQUE (client_id, last_message_id DESC)",
    "contact_by_name": "(client_id, ((name IS NULL)), lower(COALESCE(name, ''::text)), id)",
    "conversation_by_change": "(updated_at)",
    "conversation_by_change_order": "(changed_xid, id)",
    "conversation_by_last_message": "(last_message_id DESC)",
    "conversation_by_number": "(number)",
    "conversation_unread_of_all": "(last_message_id DESC) WHERE (unread > 0)",
    "conversation_unread": "(client_id, last_message_id DESC) WHERE (unread > 0)",
    "hook_delivery_by_endpoint": "(endpoint_id, id DESC)",
    "hook_delivery_due": "(endpoint_id, due_at, \"position\") WHERE (status = 'PENDING'::text)",
    "hook_delivery_failed": "(endpoint_id, id) WHERE (status = 'FAILED'::text)",
    "hook_delivery_order": "(endpoint_id, subject, \"position\") WHERE (status = 'PENDING'::text)",
    "hook_endpoint_by_client": "(client_id)",
    "hook_endpoint_failing": "(failing_since) INCLUDE (client_id)"
    " WHERE (failing_since IS NOT NULL)",
    "hook_endpoint_one_callback": "UNIQUE (client_id, format, url) WHERE is_callback",
    "idempotency_key_by_age": "(created_at)",
    "imported_line_totals": "(client_id, charged_total)",
    "inbound_by_client": "(client_id, id DESC)",
    "inbound_by_number": "(client_id, number, id DESC)",
    "ledger_audit_one_running": "UNIQUE (state) WHERE (state = 'RUNNING'::text)",
    "low_balance_by_client": "(client_id, id)",
    "low_balance_one_open": "UNIQUE (client_id) WHERE (ended_at IS NULL)",
    "message_by_reference": "(reference) WHERE (reference IS NOT NULL)",
    "message_changed": CHANGED_BRIN,
    "message_listed": "(client_id, status, id)"
    " WHERE ((status <> ALL (ARRAY['QUEUED'::text, 'SUBMITTING'::text]))"
    " OR (priority <> ALL (ARRAY[2, 12])))",
    "message_of_earlier_send": "(send_id, id) WHERE by_send",
    "message_queued_apart": "(provider_account_id, priority, client_id, due_at, id)"
    " WHERE ((status = 'QUEUED'::text)"
    " AND ((in_part AND (attempts = 0) AND (send_at IS NULL)) IS NOT TRUE))",
    "message_queued_single": "(provider_account_id, changed_xid, price)"
    " WHERE ((status = 'QUEUED'::text)"
    " AND (priority = ANY (ARRAY[(0)::smallint, (1)::smallint, (10)::smallint, (11)::smallint])))",
    "message_routed": "(route_id, status, priority) INCLUDE (provider_account_id, price)"
    " WHERE ((route_id IS NOT NULL)"
    " AND (status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text])))",
    "message_scheduled": "(due_at) WHERE ((status = 'QUEUED'::text) AND (priority >= 10))",
    "message_sent_later": "(provider_account_id, send_at, id) WHERE ((send_at IS NOT NULL)"
    " AND (status = ANY (ARRAY['SENT'::text, 'UNKNOWN'::text])))",
    "message_undecided": "(attempt_id)"
    " WHERE (status = ANY (ARRAY['SUBMITTING'::text, 'UNKNOWN'::text]))",
    "message_unknown": "(provider_account_id, updated_at) WHERE (status = 'UNKNOWN'::text)",
    "modem_route_by_hand_unique": "UNIQUE (modem, port) WHERE (NOT learned)",
    "modem_route_by_line": "(modem, port)",
    "opt_out_pending_by_number": "(number) WHERE (source = 'PENDING'::text)",
    "provider_account_default_unique": "UNIQUE (is_default) WHERE is_default",
    "provider_account_owner_unique": "UNIQUE (owner_client_id)",
    "provider_route_one_in_use": "UNIQUE (pool_id, prefix) WHERE (retired_at IS NULL)",
    "queued_part_by_client": "(provider_account_id, client_id, due_at, last_id)",
    "reconciliation_difference_by_run": "(reconciliation_id, id)",
    "reconciliation_difference_in_reading": "(send_id) INCLUDE (expected, found) WHERE in_reading",
    "reconciliation_difference_open": "(created_at) WHERE (NOT corrected)",
    "reconciliation_one_open": "UNIQUE (((finished_at IS NULL))) WHERE (finished_at IS NULL)",
    "refresh_token_by_expiry": "(expires_at)",
    "refresh_token_by_session": "(session_id)",
    "send_by_client": "(client_id, id DESC)",
    "send_by_kind": "(client_id, kind, id) WHERE (kind <> 'SINGLE'::text)",
    "send_of_kind": "(kind, id) WHERE (kind <> 'SINGLE'::text)",
    "send_expiring": "(expires_at) WHERE (expires_at IS NOT NULL)",
    "send_job_open": "(provider_account_id) INCLUDE (unwritten, price) WHERE (unwritten > 0)",
    "send_scheduled": "(client_id, due_until) WHERE (due_until IS NOT NULL)",
    "send_tally_by_send": "(send_id)",
    "send_uncaptured": "(id) WHERE (NOT captured)",
    "session_by_user": "(user_id) WHERE (revoked_at IS NULL)",
    "sync_by_provider_account": "(provider_account_id, created_at DESC)",
    "template_name_unique": "UNIQUE (client_id, lower(name))",
    "transfer_by_destination": "UNIQUE (destination_id, destination_version)"
    " WHERE (destination_id IS NOT NULL)",
    "transfer_by_destination_and_kind": "(destination_id, kind, destination_version)"
    " WHERE (destination_id IS NOT NULL)",
    "transfer_by_source_and_kind": "(source_id, kind, source_version)"
    " WHERE ((source_id IS NOT NULL) AND (kind <> 'SEND'::text))",
    "transfer_by_source": "UNIQUE (source_id, source_version) WHERE (source_id IS NOT NULL)",
    "transfer_charge_with_own_id": "UNIQUE (send_id) INCLUDE (amount)"
    " WHERE ((kind = 'SEND'::text) AND (id <> send_id))",
    "transfer_corrections_of_a_send": "(send_id) WHERE (kind = 'RECONCILE'::text)",
    "transfer_refunds_of_a_send": "(send_id) INCLUDE (amount) WHERE (kind = 'REFUND'::text)",
    "transfer_routes_of_a_send": "(send_id)"
    " WHERE (kind = ANY (ARRAY['ROUTE_CREDIT'::text, 'ROUTE_COST'::text]))",
    "upload_by_age": "(created_at)",
    "upload_by_client": "(client_id)",
    "webhook_event_assignable": "(id) WHERE ((outcome = 'UNROUTED'::text) AND (due_at IS NULL))",
    "webhook_event_changed": "brin (changed_xid, updated_at)"
    " WITH (pages_per_range='16', autosummarize='on')",
    "webhook_event_due": "(due_at, id) WHERE (due_at IS NOT NULL)",
    "webhook_event_key_by_event": "brin (event_id)",
    "webhook_event_pending": "(sender) WHERE opt_out_pending",
    "webhook_event_routed": "(id) WHERE (outcome = 'ROUTED'::text)",
    "webhook_event_unusual": "(outcome, id DESC)"
    " WHERE (outcome <> ALL (ARRAY['ROUTED'::text, 'UNROUTED'::text]))",
    "webhook_event_unrouted": "(opt_out_pending DESC, id DESC) WHERE (outcome = 'UNROUTED'::text)",
}
CHANGED = (
    "BEFORE UPDATE ON public.{} FOR EACH ROW"
    " WHEN ((new.updated_at IS DISTINCT FROM old.updated_at)) EXECUTE FUNCTION note_change()"
)
TRIGGERS = {
    **{f"{table}_changed": CHANGED.format(table) for table in CHANGING},
    "message_changed": "BEFORE UPDATE ON public.message FOR EACH ROW"
    " WHEN (((new.updated_at IS DISTINCT FROM old.updated_at)"
    " AND (new.version = old.version))) EXECUTE FUNCTION note_change()",
    "inbound_hooked": "AFTER INSERT ON public.inbound"
    " FOR EACH ROW EXECUTE FUNCTION inbound_queues_hooks()",
    "low_balance_hooked": "AFTER INSERT ON public.low_balance"
    " FOR EACH ROW EXECUTE FUNCTION low_balance_queues_hooks()",
    "message_hooked": "AFTER UPDATE ON public.message"
    " REFERENCING OLD TABLE AS replaced NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION messages_queue_hooks()",
    "opt_out_hooked": "AFTER INSERT OR DELETE ON public.opt_out"
    " FOR EACH ROW EXECUTE FUNCTION opt_out_queues_hooks()",
    "ledger_checkpoint_account_append_only": "BEFORE DELETE OR UPDATE OR TRUNCATE"
    " ON public.ledger_checkpoint_account"
    " FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_is_append_only()",
    "ledger_checkpoint_append_only": "BEFORE DELETE OR UPDATE OR TRUNCATE"
    " ON public.ledger_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_is_append_only()",
    "message_tallied": "AFTER UPDATE ON public.message"
    " REFERENCING OLD TABLE AS replaced NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION message_tallies()",
    "send_opened": "AFTER INSERT ON public.send FOR EACH ROW"
    " WHEN ((new.kind = ANY (ARRAY['BULK'::text, 'MULTI'::text, 'CSV'::text])))"
    " EXECUTE FUNCTION send_opens()",
    "transfer_append_only": "BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transfer"
    " FOR EACH STATEMENT EXECUTE FUNCTION transfer_is_append_only()",
    "transfer_fits_its_accounts": "AFTER INSERT ON public.transfer"
    " REFERENCING NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION transfer_fits_its_accounts()",
}
LARGE = ("contact", "conversation", "inbound", "send", "transfer")
BRIN = {"pages_per_range": "16", "autosummarize": "on"}
STORAGE = {
    "message_changed": BRIN,
    "webhook_event_changed": BRIN,
    "account": {
        "fillfactor": "50",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_vacuum_threshold": "200",
    },
    "open_send": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"},
    "queue_change": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
    "queued_part": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"},
    "queue_sum": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"},
    "send_tally": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
    **{
        table: {
            "autovacuum_analyze_scale_factor": "0.01",
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": changes,
            "autovacuum_vacuum_insert_scale_factor": "0",
            "autovacuum_vacuum_insert_threshold": changes,
        }
        for table, changes in [("message", "100000"), *((each, "50000") for each in LARGE)]
    },
}
