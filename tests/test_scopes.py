"""Rows of tenants are read through functions whose first argument is the actor's scope.

Three rules, checked in the source: the ports offer no other read, except for those listed here; the
resolvers call no other; and no resolver makes a scope that its actor does not have.
Exceptions have a reason and may only shrink: one that is no longer needed fails too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.test_tidy import ROOT, Rule, Source, sources

READS = ("find_", "read_", "list_", "search_", "get_", "load_", "last_")
SCOPES = frozenset({"Scope", "Everything", "OfGroup", "OfClient", "BalanceView"})

# Reads of the ports without a scope, each with its reason. Reads within a transaction are not
# listed: they read what an operation has already found and locked.
UNSCOPED: dict[str, str] = {
    "find_user": "the actor's own user, and those that an admin changes",
    "find_groups": "groups that something visible points at: a name and a rate",
    "list_groups": "only for admins: no tenant's data",
    "list_users": "only for admins: users belong to the installation",
    "list_api_keys": "takes the actor's user, which is narrower than any scope",
    "list_sessions": "takes the actor's user, which is narrower than any scope",
    "find_line": "within allocate: the transfer that it has just made",
    "find_transfer": "the transfer that the actor's own idempotency key led to",
    "find_provider_account": "of an admin, or named by the actor's own client",
    "find_login": "for signing in: there is no actor yet",
    "find_actor_of_session": "to find out who the actor is",
    "find_actor_of_key": "to find out who the actor is",
    "read_access_changes": "IDs of what has changed, for the cache of actors",
    "find_opted_out": "takes the paying client, which comes from the actor",
    "find_reply_terms": "an admin tests whether a client's reply would work",
    "find_last_inbound": "an admin tests whether a client's reply would work",
    "read_backlog": "sums over all tenants, for metrics",
    "read_clock": "the clock of the database",
}

# What resolvers may call on a store besides reads with a scope.
FOR_RESOLVERS = frozenset(
    {"find_user", "find_groups", "list_groups", "list_users", "list_api_keys"}
)

# Functions of resolvers that make a scope or a view in another way than from their actor.
MADE_HERE: dict[str, str] = {
    "load_own_clients": "the clients of users that were read before; at sign-in there is no actor"
}


def ports_read_within_a_scope(source: Source) -> Iterator[str]:
    """Each read of a port takes the scope first, so that rows outside of it cannot be read."""
    if not _is_port(source):
        return
    for method in _reads(source):
        if not _is_scoped(method) and method.name not in UNSCOPED:
            yield f"{method.lineno}: {method.name} takes no scope first"


def resolvers_read_within_a_scope(source: Source) -> Iterator[str]:
    """Resolvers read from a store with a scope. Other reads belong to operations of the domain."""
    if not source.path.startswith(("resolvers/", "schema/")):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and _is_store(node.value):
            if node.attr not in _scoped() | FOR_RESOLVERS:
                yield f"{node.lineno}: {node.attr} takes no scope first"
        elif isinstance(node, ast.Assign):
            yield from _renamed(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            yield from [f"{node.lineno}: getattr hides what is read"] * _is_store(node.args[0])


def resolvers_make_no_scope(source: Source) -> Iterator[str]:
    """A scope comes from the actor. It has all tenants only if the operator alone may ask."""
    if not source.path.startswith(("resolvers/", "schema/")):
        return
    for function in source.tree.body:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_admins = any(_is_for_admins(node) for node in ast.walk(function))
        for name, line in _scopes_made(function):
            is_free = name == "Everything" and is_admins
            if not is_free and function.name not in MADE_HERE:
                yield f"{line}: {function.name} makes {name} itself"


HOW_TO_MEND = (
    "Take `scope: Scope` (or OfClient) first, or list it in tests/test_scopes.py and say why."
)

RULES = (ports_read_within_a_scope, resolvers_read_within_a_scope, resolvers_make_no_scope)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tenants_are_kept_apart(rule: Rule) -> None:
    found = [f"{source.path}:{what}" for source in _python() for what in rule(source)]
    assert not found, "\n".join([rule.__doc__ or "", *found, HOW_TO_MEND])


def test_no_exception_is_needless() -> None:
    ports = [source for source in _python() if _is_port(source)]
    unscoped = {each.name for port in ports for each in _reads(port) if not _is_scoped(each)}
    assert set(UNSCOPED) - unscoped == set(), "scoped, or gone, by now"
    api = [source for source in _python() if source.path.startswith(("resolvers/", "schema/"))]
    nodes = [node for source in api for node in ast.walk(source.tree)]
    called = {each.attr for each in nodes if isinstance(each, ast.Attribute)}
    assert called >= FOR_RESOLVERS, "no resolver calls it any more"
    made = {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(_scopes_made(node))
    }
    assert set(MADE_HERE) - made == set(), "makes no scope any more"


@pytest.mark.parametrize(
    ("rule", "path", "text", "expected"),
    [
        (
            ports_read_within_a_scope,
            "domain/a/ports.py",
            "class Letters:\n    async def find_letter(self, letter_id: UUID) -> Letter: ...",
            "2: find_letter takes no scope first",
        ),
        (
            ports_read_within_a_scope,
            "domain/a/ports.py",
            "class A:\n    async def read_letters(self, ids: list[UUID], scope: Scope): ...",
            "2: read_letters takes no scope first",
        ),
        (
            ports_read_within_a_scope,
            "domain/a/ports.py",
            "class A:\n    async def read_letters(self, scope: Scope, ids: list[UUID]): ...",
            None,
        ),
        (
            ports_read_within_a_scope,
            "domain/a/ports.py",
            "class A:\n    async def find_rows(self, tx: Transaction, ids: list[UUID]): ...",
            None,
        ),
        (
            resolvers_read_within_a_scope,
            "resolvers/a.py",
            "async def f(info):\n    return await info.context.installation.store.held(1)",
            "2: held takes no scope first",
        ),
        (
            resolvers_read_within_a_scope,
            "resolvers/a.py",
            "read = partial(store.find_attempt_of, 1)",
            "1: find_attempt_of takes no scope first",
        ),
        (
            resolvers_read_within_a_scope,
            "resolvers/a.py",
            "actor, rows = actor_of(info), info.context.installation.store",
            "1: a store by another name: rows",
        ),
        (resolvers_read_within_a_scope, "resolvers/a.py", "getattr(store, name)", "1: getattr"),
        (resolvers_read_within_a_scope, "resolvers/a.py", "store.find_send(scope, 1)", None),
        (
            resolvers_read_within_a_scope,
            "resolvers/a.py",
            "store = info.context.installation.store",
            None,
        ),
        (resolvers_read_within_a_scope, "domain/a.py", "store.held(1)", None),
        (
            resolvers_make_no_scope,
            "resolvers/a.py",
            "@requires()\nasync def f(info):\n    return Everything()",
            "3: f makes Everything itself",
        ),
        (
            resolvers_make_no_scope,
            "resolvers/a.py",
            "@requires(Role.ADMIN, Role.CLIENT)\nasync def f(info):\n    Everything()",
            "3: f makes Everything itself",
        ),
        (
            resolvers_make_no_scope,
            "resolvers/a.py",
            "@requires(Role.ADMIN)\nasync def f(info, id):\n    return OfClient(id)",
            "3: f makes OfClient itself",
        ),
        (
            resolvers_make_no_scope,
            "resolvers/a.py",
            "@requires(Role.ADMIN)\nasync def f(info):\n    return Everything()",
            None,
        ),
    ],
)
def test_a_read_without_a_scope_is_noticed(
    rule: Rule, path: str, text: str, expected: str | None
) -> None:
    found = list(rule(Source(path, text)))
    assert found == [] if expected is None else found[0].startswith(expected)


@cache
def _python() -> list[Source]:
    return [source for source in sources() if source.is_python]


def _is_port(source: Source) -> bool:
    return source.path.startswith("domain/") and source.path.endswith("/ports.py")


@cache
def _scoped() -> frozenset[str]:
    """The methods of the ports that take a scope first."""
    methods = (
        node
        for source in _python()
        if _is_port(source)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AsyncFunctionDef)
    )
    return frozenset(each.name for each in methods if _is_scoped(each))


@cache
def _stores() -> frozenset[str]:
    """The attributes of the installation that a resolver could read from: those typed as a port."""
    installation = (ROOT / "domain/installation.py").read_text(encoding="utf-8")
    classes = {
        node.name: node for node in ast.parse(installation).body if isinstance(node, ast.ClassDef)
    }
    ported = {name for name, node in classes.items() if len(node.bases) > 1}
    for source in _python():
        if _is_port(source):
            ported |= {node.name for node in source.tree.body if isinstance(node, ast.ClassDef)}
    members = [node for node in classes["Installation"].body if isinstance(node, ast.AnnAssign)]
    return frozenset(
        ast.unparse(each.target) for each in members if ast.unparse(each.annotation) in ported
    )


def _reads(source: Source) -> Iterator[ast.AsyncFunctionDef]:
    """Methods that look something up, outside of a transaction."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith(READS):
            given = [each.arg for each in node.args.args]
            if given[1:2] != ["tx"]:
                yield node


def _is_scoped(method: ast.AsyncFunctionDef) -> bool:
    first = method.args.args[1:2]
    words = {
        node.id
        for each in first
        if each.annotation is not None
        for node in ast.walk(each.annotation)
        if isinstance(node, ast.Name)
    }
    return bool(words & SCOPES)


def _is_store(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return name in _stores()


def _renamed(node: ast.Assign) -> Iterator[str]:
    for target in node.targets:
        together = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
        names = target.elts if together and isinstance(target, ast.Tuple) else [target]
        values = node.value.elts if together and isinstance(node.value, ast.Tuple) else [node.value]
        for name, value in zip(names, values, strict=True):
            if _is_store(value) and not _is_store(name):
                yield f"{node.lineno}: a store by another name: {ast.unparse(name)}"


def _is_for_admins(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "requires":
        return False
    return [ast.unparse(each) for each in node.args] == ["Role.ADMIN"]


def _scopes_made(function: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in SCOPES:
            yield ast.unparse(node.func), node.lineno
