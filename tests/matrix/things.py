"""Objects for the rows of the matrix: of the owner, its group or its pool.

An object that a mutation uses up or changes is made again for each request.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from domain.hooks.changes import CHOSEN
from domain.identity.access import Role
from domain.identity.api_keys import create_api_key
from domain.identity.sessions import SignedIn
from domain.ids import Kind, new_id
from domain.inbox.routes import set_modem_route
from domain.ledger.audit import audit, new_audit
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.sending.messages import Line
from domain.sending.routes import NewRoute, set_route
from persistence import store
from tests import db, people
from tests.inbox import post
from tests.matrix.row import thing
from tests.matrix.scenario import Scenario, email_of, new_in_doubt, number_of, word_of
from tests.sending.files.files import uploaded


@thing(Kind.CLIENT)
async def the_client(scenario: Scenario) -> UUID:
    """The owner."""
    return scenario.app.owner.client_id


@thing(Kind.CLIENT)
async def a_new_client(scenario: Scenario) -> UUID:
    """A new client that holds nothing."""
    return (await db.add_client(scenario.app.pool, held=0, name=uuid4().hex)).client_id


@thing(Kind.GROUP)
async def the_group(scenario: Scenario) -> UUID:
    """The owner's group."""
    return scenario.app.group.id


@thing(Kind.PROVIDER_ACCOUNT)
async def the_provider_account(scenario: Scenario) -> UUID:
    """The default one."""
    return scenario.app.pool.id


@thing(Kind.PROVIDER_ACCOUNT)
async def another_provider_account(scenario: Scenario) -> UUID:
    """A new one of the platform that is not the default."""
    return (await db.add_pool(default=False)).id


@thing(Kind.PROVIDER_ROUTE)
async def a_provider_route(scenario: Scenario) -> UUID:
    """A new one of the default pool, to its own account."""
    prefix = str(1_000_000 + uuid4().int % 9_000_000)
    requested = NewRoute(prefix=prefix, provider_account_id=scenario.app.pool.id)
    return (await set_route(store, requested)).id


async def there_is_a_route(scenario: Scenario) -> None:
    """The default pool has a route."""
    await a_provider_route.find(scenario)


@thing(Kind.RECONCILIATION)
async def the_reconciliation(scenario: Scenario) -> UUID:
    """A finished dry run."""
    run = await new_reconciliation(store, dry_run=True)
    return (await reconcile(store, run)).id


@thing(Kind.AUDIT)
async def the_audit(scenario: Scenario) -> UUID:
    """A finished audit."""
    await no_run_goes_on(scenario)
    return (await audit(store, await new_audit(store), rest=0)).id


async def no_run_goes_on(scenario: Scenario) -> None:
    """Waits for runs of other rows, so that a new one can start."""
    await db.execute("UPDATE ledger_audit SET state = 'STOPPED' WHERE state = 'RUNNING'")
    await db.execute("UPDATE reconciliation SET finished_at = now() WHERE finished_at IS NULL")


async def an_audit_is_done(scenario: Scenario) -> None:
    """There is a finished audit."""
    await the_audit.find(scenario)


@thing(Kind.USER)
async def the_user(scenario: Scenario) -> UUID:
    """The owner's user."""
    return scenario.users["owner"]


@thing(Kind.USER)
async def a_supervisor(scenario: Scenario) -> UUID:
    """A new supervisor of the group."""
    email = f"{uuid4().hex}@ibiki.test"
    user = await people.add_user(email, Role.SUPERVISOR, group_id=scenario.app.group.id)
    return user.id


@thing(Kind.SEND)
async def a_send(scenario: Scenario) -> UUID:
    """A new send of the owner's."""
    return (await db.accept(scenario.app.owner, text=word_of("owner"))).id


@thing(Kind.MESSAGE)
async def a_message_in_doubt(scenario: Scenario) -> UUID:
    """A new message of the owner's whose outcome is unknown."""
    return await new_in_doubt(scenario.app.owner, word_of("owner"))


@thing(Kind.API_KEY)
async def an_api_key(scenario: Scenario) -> UUID:
    """A new key of the owner's."""
    owner = scenario.actors["owner"]
    assert owner is not None
    return (await create_api_key(store, owner, name=word_of("owner"))).api_key.id


@thing()
async def a_refresh_token(scenario: Scenario) -> str:
    """A new one of the owner's."""
    return (await _signed_in(scenario, "owner")).refresh_token


@thing(Kind.SESSION)
async def a_session(scenario: Scenario) -> UUID:
    """A new one of the owner's."""
    return (await _signed_in(scenario, "owner")).session_id


async def everybody_signs_in(scenario: Scenario) -> None:
    """Starts a session of each user."""
    for who in scenario.users:
        await _signed_in(scenario, who)


async def passwords_are_known(scenario: Scenario) -> None:
    """Every user has the password of the tests, although a row changes it."""
    known = await people.PASSWORDS.hash(people.PASSWORD)
    await db.execute("UPDATE app_user SET password_hash = $1", known)


async def _signed_in(scenario: Scenario, who: str) -> SignedIn:
    await passwords_are_known(scenario)
    sessions = scenario.app.installation.sessions
    return await sessions.sign_in(email_of(who), people.PASSWORD, address=people.ADDRESS)


@thing()
async def a_word(scenario: Scenario) -> str:
    """A name that no object has."""
    return f"w{uuid4().hex}"


@thing()
async def an_email(scenario: Scenario) -> str:
    """An email address that no user has."""
    return f"{uuid4().hex}@ibiki.test"


@thing(Kind.CONVERSATION)
async def a_conversation(scenario: Scenario) -> UUID:
    """The owner's."""
    await everybody_receives(scenario)
    return await _newest("conversation", scenario.app.owner.client_id)


@thing(Kind.MESSAGE)
async def an_inbound_message(scenario: Scenario) -> UUID:
    """A new one of the owner's."""
    await everybody_receives(scenario)
    return await _newest("inbound", scenario.app.owner.client_id)


@thing(Kind.CONTACT)
async def a_contact(scenario: Scenario) -> UUID:
    """A new one of the owner's."""
    contact_id = new_id()
    await db.execute(
        "INSERT INTO contact (id, client_id, number, name) VALUES ($1, $2, $3, $4)",
        contact_id,
        scenario.app.owner.client_id,
        f"+{contact_id.int % 10**15}",
        word_of("owner"),
    )
    return contact_id


@thing(Kind.TEMPLATE)
async def a_template(scenario: Scenario) -> UUID:
    """A new one of the owner's."""
    return await _new_template(scenario.app.owner, word_of("owner"))


async def all_have_a_template(scenario: Scenario) -> None:
    """Each tenant has at least one."""
    for place, tenant in scenario.tenants().items():
        await _new_template(tenant, word_of(place))


async def _new_template(tenant: db.Tenant, text: str) -> UUID:
    # The text names the tenant: after a deletion, the database no longer knows the ID.
    template_id = new_id()
    await db.execute(
        "INSERT INTO template (id, client_id, name, text) VALUES ($1, $2, $3, $4)",
        template_id,
        tenant.client_id,
        template_id.hex,
        text,
    )
    return template_id


@thing(Kind.UPLOAD)
async def an_upload(scenario: Scenario) -> UUID:
    """A new one of the owner's, of one number."""
    file = b"phone,name\n+12025550142,Ada\n"
    return (await uploaded(scenario.app.installation, scenario.actors["owner"], file)).id


@thing(Kind.MODEM_ROUTE)
async def a_modem_route(scenario: Scenario) -> UUID:
    """A new one of the owner's."""
    line = Line(uuid4().hex, "1")
    app = scenario.app
    route = await set_modem_route(
        store, app.installation.normaliser, app.owner.client_id, line, None
    )
    return route.id


@thing(Kind.HOOK_ENDPOINT)
async def a_hook_endpoint(scenario: Scenario) -> UUID:
    """The owner's only one, new, with a delivery."""
    await db.execute("TRUNCATE hook_endpoint, hook_delivery")
    owner = scenario.actors["owner"]
    assert owner is not None
    hooks = scenario.app.installation.hooks
    created = await hooks.create(
        owner, client_id=None, url="https://example.com/", events=CHOSEN, description=None
    )
    await hooks.test(owner, created.endpoint.id)
    await db.execute("UPDATE hook_delivery SET status = 'DELIVERED'")
    return created.endpoint.id


@thing(Kind.HOOK_DELIVERY)
async def a_hook_delivery(scenario: Scenario) -> UUID:
    """A delivered one of the owner's."""
    await a_hook_endpoint.find(scenario)
    return await _newest("hook_delivery", scenario.app.owner.client_id)


@thing(Kind.WEBHOOK_EVENT)
async def an_unrouted_event(scenario: Scenario) -> UUID:
    """A new one without a client: no client has written to its sender."""
    sender = db.generated_numbers(1, skip=100_000 + int(uuid4().int % 1_000_000))[0]
    (row,) = await post.received(post.inbound(word_of("owner"), sender=sender))
    assert row["outcome"] == "UNROUTED"
    found: UUID = row["id"]
    return found


async def everybody_receives(scenario: Scenario) -> None:
    """A new message to each tenant from a number that it has written to."""
    for place, tenant in scenario.tenants().items():
        line = Line(f"modem of {place}", "1")
        normaliser = scenario.app.installation.normaliser
        await set_modem_route(store, normaliser, tenant.client_id, line, None)
        call = post.inbound(word_of(place), sender=number_of(place), modem=line.modem)
        (row,) = await post.received({**call, "messageId": uuid4().hex})
        assert row["client_id"] == tenant.client_id


async def _newest(table: str, client_id: UUID) -> UUID:
    rows = await db.fetch(
        f"SELECT id FROM {table} WHERE client_id = $1 ORDER BY id DESC LIMIT 1", client_id
    )
    found: UUID = rows[0]["id"]
    return found


async def messages_change(scenario: Scenario) -> None:
    """Makes one message of each tenant UNKNOWN."""
    for place, tenant in scenario.tenants().items():
        await new_in_doubt(tenant, word_of(place))
