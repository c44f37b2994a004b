"""Endpoints by GraphQL: who may have which, what is shown once, and what is refused."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet

from domain.hooks.changes import rotate_keys
from domain.ids import Kind
from ibiki.encryption import FernetCipher
from persistence import store
from tests import db
from tests.installations import ENCRYPTION_KEY, App

FIELDS = "id url description events status pausedAt pauseReason failingSince oldSecretUntil"
RESULT = f"""... on WebhookEndpointSecret {{ secret endpoint {{ {FIELDS} }} }}
    ... on UserError {{ message path }}"""
CREATE = f"""mutation ($input: CreateWebhookEndpointInput!) {{
    createWebhookEndpoint(input: $input) {{ {RESULT} }} }}"""
ROTATE = f"""mutation ($input: RotateWebhookSecretInput!) {{
    rotateWebhookSecret(input: $input) {{ {RESULT} }} }}"""
UPDATE = f"""mutation ($input: UpdateWebhookEndpointInput!) {{
    updateWebhookEndpoint(input: $input) {{
        ... on WebhookEndpoint {{ {FIELDS} }} ... on UserError {{ message path }} }} }}"""
DELETE = """mutation ($input: DeleteWebhookEndpointInput!) {
    deleteWebhookEndpoint(input: $input) { ... on WebhookEndpoint { id } } }"""
DELIVERY = """... on WebhookDelivery { id eventId type status attempts objectId nextAttemptAt }
    ... on UserError { message }"""
TEST = f"""mutation ($input: TestWebhookEndpointInput!) {{
    testWebhookEndpoint(input: $input) {{ {DELIVERY} }} }}"""
REDELIVER = f"""mutation ($input: RedeliverInput!) {{
    redeliver(input: $input) {{ {DELIVERY} }} }}"""
LIST = f"{{ webhookEndpoints {{ {FIELDS} }} }}"
DELIVERIES = """query ($id: ID!, $status: WebhookDeliveryStatus) {
    webhookDeliveries(endpointId: $id, status: $status) { nodes { id eventId status } } }"""
URL = "https://example.com/hooks"


async def create(app: App, who: str = "owner", url: str = URL, **more: Any) -> dict[str, Any]:
    given = {"url": url, "events": ["SEND_FINISHED", "MESSAGE_UPDATED"], **more}
    answer: dict[str, Any] = await app.answer(who, CREATE, input=given)
    return answer


async def test_a_secret_is_shown_once_and_stored_encrypted(app: App) -> None:
    created = await create(app, description="  our CRM ")
    assert created["secret"].startswith("whsec_")
    assert created["endpoint"].pop("id").startswith("whe_")
    assert created["endpoint"] == {
        "url": URL,
        "description": "our CRM",
        "events": ["MESSAGE_UPDATED", "SEND_FINISHED"],
        "status": "ACTIVE",
        "pausedAt": None,
        "pauseReason": None,
        "failingSince": None,
        "oldSecretUntil": None,
    }
    [listed] = await app.answer("owner", LIST)
    assert created["secret"] not in str(listed)
    [row] = await db.fetch("SELECT id, secret FROM hook_endpoint")
    assert created["secret"].encode() not in row["secret"]
    cipher = FernetCipher([ENCRYPTION_KEY])
    assert cipher.decrypt_secret(row["id"], row["secret"]) == created["secret"]


async def test_a_url_that_cannot_be_used_is_refused(app: App) -> None:
    refused = await create(app, url="https://169.254.169.254/latest")
    assert refused["message"] == "The URL must lead to a public address."
    assert refused["path"] == ["input", "url"]


async def test_the_events_and_the_description_of_an_endpoint_are_checked(app: App) -> None:
    assert (await create(app, events=[]))["message"] == "Choose at least one event."
    assert (await create(app, events=["WEBHOOK_TEST"]))["message"] == "Choose at least one event."
    assert (await create(app, description="a\nb"))["path"] == ["input", "description"]
    assert (await create(app, "admin"))["message"] == "Name the client that it is for."


async def test_a_client_has_at_most_ten(app: App) -> None:
    created = [await create(app) for _ in range(10)]
    refused = await create(app)
    assert refused["message"] == "A client has at most 10 endpoints. Delete one."
    await create(app, "sibling")
    gone = {"id": created[0]["endpoint"]["id"]}
    await app.answer("owner", DELETE, input=gone)
    assert "secret" in await create(app)
    assert len(await app.answer("owner", LIST)) == 10
    assert (await app.ask("owner", TEST, input=gone))["data"]["testWebhookEndpoint"] == {
        "message": "No such webhook endpoint."
    }


async def test_a_secret_is_rotated(app: App) -> None:
    created = await create(app)
    rotated = await app.answer("owner", ROTATE, input={"id": created["endpoint"]["id"]})
    assert rotated["secret"] != created["secret"]
    assert rotated["endpoint"]["oldSecretUntil"] is not None


async def test_an_endpoint_is_paused_and_resumed(app: App) -> None:
    id = (await create(app))["endpoint"]["id"]
    paused = await app.answer("owner", UPDATE, input={"id": id, "paused": True})
    assert (paused["status"], paused["pauseReason"]) == ("PAUSED", "A user paused it.")
    refused = await app.answer("owner", TEST, input={"id": id})
    assert refused == {"message": "The endpoint is paused. Resume it first."}
    await db.execute("UPDATE hook_endpoint SET failures = 9, failing_since = now()")
    changes = {"paused": False, "description": "", "events": ["BALANCE_LOW"], "url": URL + "/2"}
    resumed = await app.answer("owner", UPDATE, input={"id": id, **changes})
    assert (resumed["status"], resumed["failingSince"]) == ("ACTIVE", None)
    assert (resumed["url"], resumed["events"]) == (URL + "/2", ["BALANCE_LOW"])


async def test_how_an_endpoint_fails_is_shown(app: App) -> None:
    await create(app)
    for hours, status in ((1, "RETRYING"), (25, "FAILING")):
        await db.execute(
            "UPDATE hook_endpoint SET failures = 1,"
            " failing_since = now() - make_interval(hours => $1)",
            hours,
        )
        [listed] = await app.answer("owner", LIST)
        assert listed["status"] == status


async def test_a_delivery_is_repeated_by_hand_as_the_same_event(app: App) -> None:
    id = (await create(app))["endpoint"]["id"]
    tested = await app.answer("owner", TEST, input={"id": id})
    assert tested["objectId"] == id
    assert (tested["type"], tested["status"], tested["attempts"]) == ("WEBHOOK_TEST", "PENDING", 0)
    again = {"deliveryId": tested["id"]}
    refused = await app.answer("owner", REDELIVER, input=again)
    assert refused == {"message": "It is still being delivered. Wait until this has ended."}
    await db.execute("UPDATE hook_delivery SET status = 'FAILED'")
    repeated = await app.answer("owner", REDELIVER, input=again)
    assert repeated["eventId"] == tested["eventId"]
    listed = (await app.answer("owner", DELIVERIES, id=id))["nodes"]
    assert [each["status"] for each in listed] == ["PENDING", "FAILED"]
    failed = (await app.answer("owner", DELIVERIES, id=id, status="FAILED"))["nodes"]
    assert [each["id"] for each in failed] == [tested["id"]]


async def test_secrets_are_encrypted_with_the_newest_key(app: App) -> None:
    created = await create(app)
    await app.answer("owner", ROTATE, input={"id": created["endpoint"]["id"]})
    new_key = Fernet.generate_key().decode()
    both, only_new = FernetCipher([new_key, ENCRYPTION_KEY]), FernetCipher([new_key])
    assert (await rotate_keys(store, both.rotate))[1] == []
    [row] = await db.fetch("SELECT id, secret, previous_secret FROM hook_endpoint")
    assert only_new.decrypt_secret(row["id"], row["previous_secret"]) == created["secret"]
    await db.execute("UPDATE hook_endpoint SET secret = 'x'")
    assert (await rotate_keys(store, both.rotate))[1] == [(Kind.HOOK_ENDPOINT, row["id"])]
