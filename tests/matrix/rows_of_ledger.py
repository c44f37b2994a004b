"""Who gets what: balances and transfers."""

from __future__ import annotations

from tests.matrix.row import DATA, EMPTY, EVERYBODY, FORBIDDEN, NOT_FOUND, NULL, Row, admins, roles
from tests.matrix.things import (
    a_new_client,
    a_provider_route,
    an_audit_is_done,
    another_provider_account,
    no_run_goes_on,
    the_audit,
    the_client,
    the_group,
    the_provider_account,
    the_reconciliation,
    there_is_a_route,
)

ROWS: dict[str, list[Row]] = {
    "Query.balances": [
        Row(
            owner="owner group",
            sibling="sibling group",
            supervisor="group",
            other_supervisor="other_group",
            direct="owner group",
            admin="pool",
        ),
        roles(
            "owner group",
            sibling=NOT_FOUND,
            other_supervisor=NOT_FOUND,
            admin="owner group pool",
            given={"clientId": the_client},
        ),
    ],
    "Balances.platform": [roles(NULL, admin="pool", through="Query.balances")],
    "Query.allocations": [
        Row(
            owner=FORBIDDEN,
            sibling=FORBIDDEN,
            supervisor="owner sibling group",
            other_supervisor="stranger other_group",
            direct="owner sibling group",
            admin=f"{EVERYBODY} group other_group",
        ),
        roles(
            "owner sibling group",
            owner=FORBIDDEN,
            sibling=FORBIDDEN,
            other_supervisor=NOT_FOUND,
            given={"groupId": the_group},
        ),
    ],
    "Query.transfers": [
        Row(
            owner="owner",
            sibling="sibling",
            supervisor="group",
            other_supervisor="other_group",
            direct="owner",
            admin="pool",
            given={"kind": "OPENING"},
        ),
        roles(
            "owner", sibling=NOT_FOUND, other_supervisor=NOT_FOUND, given={"clientId": the_client}
        ),
    ],
    "Query.providerAccounts": [admins("pool")],
    "Mutation.setProviderCredentials": [
        admins(
            DATA,
            given={
                "input": {
                    "clientId": a_new_client,
                    "provider": "egosms",
                    "username": "a school",
                    "password": "not-to-be-seen",
                }
            },
        )
    ],
    "Query.providerRoutes": [admins(EMPTY), admins("pool", first=there_is_a_route)],
    "Mutation.setProviderRoute": [
        admins(
            "pool",
            given={
                "input": {
                    "prefix": "997",
                    "providerAccountId": the_provider_account,
                    "fallbackAccountId": another_provider_account,
                    "poolId": the_provider_account,
                }
            },
        )
    ],
    "Mutation.deleteProviderRoute": [admins("pool", given={"input": {"id": a_provider_route}})],
    "Mutation.moveClient": [
        admins(
            DATA,
            given={
                "input": {"clientId": a_new_client, "providerAccountId": another_provider_account}
            },
        )
    ],
    "Query.providerKinds": [admins(DATA)],
    "Mutation.createProviderAccount": [
        admins(
            DATA,
            given={
                "input": {
                    "provider": "extreme",
                    "configuration": [
                        {"name": "baseUrl", "value": "http://127.0.0.1:9"},
                        {"name": "apiKey", "value": "not-to-be-seen"},
                    ],
                }
            },
        )
    ],
    "Mutation.updateProviderAccount": [
        admins("pool", given={"input": {"id": the_provider_account, "name": "Ours"}})
    ],
    "Mutation.pauseProviderAccount": [
        admins("pool", given={"input": {"id": the_provider_account, "paused": False}})
    ],
    "Query.ledgerAudit": [admins(DATA)],
    "Query.ledgerAudits": [admins(DATA, first=an_audit_is_done)],
    "Mutation.startLedgerAudit": [admins(DATA, first=no_run_goes_on)],
    "Subscription.ledgerAuditProgress": [admins(DATA, given={"id": the_audit})],
    "Mutation.allocate": [
        Row(
            owner=FORBIDDEN,
            sibling=FORBIDDEN,
            supervisor="owner group",
            other_supervisor=NOT_FOUND,
            direct="owner group",
            admin="owner group pool",
            given={"input": {"units": 1, "clientId": the_client}},
        ),
        roles(
            NOT_FOUND,
            owner=FORBIDDEN,
            sibling=FORBIDDEN,
            admin="group pool",
            given={"input": {"units": 1, "groupId": the_group}},
        ),
    ],
    "Query.reconciliations": [admins(DATA)],
    "Subscription.reconcileProgress": [admins(DATA, given={"id": the_reconciliation})],
    "Reconciliation.differences": [
        admins(EMPTY, through="Subscription.reconcileProgress", given={"id": the_reconciliation})
    ],
    "Mutation.reconcile": [admins(DATA, given={"input": {"dryRun": True}}, first=no_run_goes_on)],
    "Mutation.sync": [
        admins("pool"),
        admins("pool", given={"input": {"providerAccountId": the_provider_account}}),
    ],
    "Subscription.balanceUpdated": [
        Row(
            owner="owner group",
            sibling="sibling group",
            supervisor="group",
            other_supervisor="other_group",
            direct="owner group",
            admin="pool",
        ),
        roles(
            "owner group",
            sibling=NOT_FOUND,
            other_supervisor=NOT_FOUND,
            admin="owner group pool",
            given={"clientId": the_client},
        ),
    ],
}
