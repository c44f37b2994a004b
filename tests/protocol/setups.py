"""How large the models are that the search looks at."""

from __future__ import annotations

from tests.protocol.state import Setup

QUICK = (
    Setup("a bulk call", sends=(2,), dispatchers=2, crashes=1),
    Setup("many crashes", dispatchers=2, marks=3, crashes=3),
    Setup("too few units", sends=(1, 1), client=1, dispatchers=2, allocations=1),
    Setup("a sync during sends", sends=(1, 1), provider=5, syncs=1),
    Setup("two syncs", provider=5, dispatchers=2, crashes=1, syncs=2),
    Setup("an owned account", pool=0, provider=5, owned=True, dispatchers=2, crashes=1, syncs=2),
    Setup("delivery reports", crashes=1, syncs=1, reports=True),
    Setup("a gateway", crashes=1, syncs=1, reports=True, gateway=True),
    Setup("a gateway, owned", pool=0, owned=True, syncs=1, reports=True, gateway=True),
    Setup("a route", dispatchers=2, crashes=2, syncs=1, costs=(2, 3)),
    Setup("a route, two messages", sends=(2,), costs=(2, 3)),
    Setup("a route to a gateway", reports=True, gateway=True, syncs=1, costs=(2, 3)),
    Setup("reconcile and a sync", syncs=1, runs=1, mistakes=1),
    Setup("two runs of reconcile", crashes=1, runs=2, mistakes=1),
    Setup("arrears", sends=(1, 1), client=1, runs=1, mistakes=1),
    Setup("reconcile, owned", pool=0, owned=True, syncs=1, runs=1, mistakes=1),
    Setup(
        "everything at once", sends=(1, 1), dispatchers=2, marks=1, syncs=1, runs=1, cancels=False
    ),
)
"""About 125,000 states: 5 s on an idle core."""

DEEP = (
    Setup("a bulk call, two crashes", sends=(2,), dispatchers=2, crashes=2),
    Setup("everything and a mistake", sends=(1, 1), dispatchers=2, marks=1, syncs=1, runs=1,
          mistakes=1, cancels=False),
    Setup("two sends to reconcile", sends=(1, 1), syncs=1, runs=1, mistakes=1),
    Setup("two of all", dispatchers=2, crashes=1, syncs=2, runs=2, mistakes=1),
)  # fmt: skip
"""About 1,700,000 states: several minutes and 2 GB."""

BY_NAME = {setup.name: setup for setup in (*QUICK, *DEEP)}
