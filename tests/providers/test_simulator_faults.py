"""The simulator does to a call what magic numbers and the control endpoint ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from providers.simulator.behaviours import BEHAVIOURS, MAGIC_NUMBERS
from providers.simulator.server import running
from tests.clocks import PATIENCE_SECONDS
from tests.providers.scripted import WAIT
from tests.providers.simulated import PLAIN, Simulated, account_at, many, one, refers, simulated

TRIED: list[tuple[str, type[Outcome], bool]] = [
    ("accept", Accepted, True),
    ("invalid_recipient", Rejected, False),
    ("invalid_params", Rejected, False),
    ("no_credits", NotSent, False),
    ("bad_key", NotSent, False),
    ("forbidden", NotSent, False),
    ("rate_limited", NotSent, False),
    ("unavailable", NotSent, False),
    ("duplicate", Unknown, False),
    ("unavailable_html", Unknown, False),
    ("broken", Unknown, False),
    ("not_found", Unknown, False),
    ("hang_before", Unknown, False),
    ("hang_after", Unknown, True),
    ("reset_before", Unknown, False),
    ("reset_after", Unknown, True),
    ("cut", Unknown, True),
    ("slow", Accepted, True),
    ("html", Unknown, True),
    ("empty", Unknown, True),
    ("wrong_types", Unknown, True),
    ("no_reference", Accepted, True),
    # These change only answers of EgoSMS.
    ("extra_key", Accepted, True),
    ("lower_case", Accepted, True),
    ("text_amounts", Accepted, True),
    ("currency_word", Accepted, True),
    ("thousands", Accepted, True),
]


@pytest.mark.parametrize(("kind", "expected", "took"), TRIED)
async def test_a_fault_affects_the_next_call_as_described(
    simulator: Simulated, kind: str, expected: type[Outcome], took: bool
) -> None:
    assert kind in BEHAVIOURS
    seconds = {"seconds": 0.1} if kind == "slow" else {}
    await simulator.control("fault", kind=kind, **seconds)
    if BEHAVIOURS[kind].ending == "hang":
        async with simulator.with_short_deadline() as provider:
            assert isinstance(await provider.send(one()), expected)
    else:
        assert isinstance(await simulator.provider.send(one()), expected)
    assert await simulator.took() == PLAIN[:1] * took
    assert await simulator.balance() == 1000 - took
    refers(await simulator.provider.send(one()))


def test_each_behaviour_has_been_tried() -> None:
    with_callbacks = {kind for kind, behaviour in BEHAVIOURS.items() if behaviour.callbacks}
    assert {kind for kind, _, _ in TRIED} == set(BEHAVIOURS) - with_callbacks


@pytest.mark.parametrize("number", MAGIC_NUMBERS)
async def test_a_magic_number_asks_for_its_behaviour(number: str, simulator: Simulated) -> None:
    behaviour = BEHAVIOURS[MAGIC_NUMBERS[number].kind]
    if behaviour.ending == "hang":
        async with simulator.with_short_deadline() as provider:
            await provider.send(one(number))
    else:
        await simulator.provider.send(one(number))
    (request,) = await simulator.log()
    assert request["behaviour"] == behaviour.kind
    assert request["messages"][0]["took"] == behaviour.accepts


@pytest.mark.parametrize(
    "number", [number for number, magic in MAGIC_NUMBERS.items() if magic.refusals]
)
async def test_a_number_that_refuses_for_a_while_then_accepts_the_message(
    simulator: Simulated, number: str
) -> None:
    refusals = MAGIC_NUMBERS[number].refusals or 0
    for _ in range(2):
        for _ in range(refusals):
            assert isinstance(await simulator.provider.send(one(number)), NotSent)
        refers(await simulator.provider.send(one(number)))
    assert await simulator.took() == [number] * 2


async def test_a_pause_is_requested_in_seconds(simulator: Simulated) -> None:
    await simulator.control("fault", kind="rate_limited", seconds=7)
    outcome = await simulator.provider.send(one())
    assert outcome == replace(WAIT, retry_after_seconds=7.0)


async def test_a_number_that_is_refused_fails_a_call_with_one_text_as_a_whole(
    simulator: Simulated,
) -> None:
    outcomes = await simulator.provider.send_many(many([*PLAIN, "+12025550160"]))
    assert outcomes == [NotSent("The network refused the call as a whole.", alone=True)] * 4
    assert await simulator.took() == []


async def test_a_number_that_is_refused_fails_by_itself_among_many_texts(
    simulator: Simulated,
) -> None:
    *others, last = await simulator.provider.send_many(many([*PLAIN, "+12025550160"], texts=True))
    assert len({refers(outcome) for outcome in others}) == 3
    assert isinstance(last, Rejected)
    assert await simulator.took() == PLAIN
    assert await simulator.balance() == 997


async def test_faults_apply_to_the_requested_calls(simulator: Simulated) -> None:
    await simulator.control("fault", kind="broken", times=2, skip=1, path="/api/v2/sms/sendbulk")
    singles = [await simulator.provider.send(one()) for _ in range(2)]
    calls = [(await simulator.provider.send_many(many()))[0] for _ in range(4)]
    assert all(isinstance(outcome, Accepted) for outcome in singles)
    assert [type(outcome) for outcome in calls] == [Accepted, Unknown, Unknown, Accepted]


async def test_a_fault_without_times_stays_until_a_reset(simulator: Simulated) -> None:
    await simulator.control("fault", kind="broken", times=None)
    assert {type(await simulator.provider.send(one())) for _ in range(3)} == {Unknown}
    assert (await simulator.control("reset"))["pending"] == []
    refers(await simulator.provider.send(one()))


async def test_a_fault_that_accepts_a_message_needs_credits_for_it(simulator: Simulated) -> None:
    await simulator.control("balance", balance=0)
    await simulator.control("fault", kind="reset_after")
    assert isinstance(await simulator.provider.send(one()), NotSent)
    assert await simulator.balance() == 0


async def test_a_fault_also_applies_to_the_balance(simulator: Simulated) -> None:
    await simulator.control("fault", kind="html", path="/api/v2/account")
    with pytest.raises(ProviderUnavailable):
        await simulator.provider.balance()
    assert (await simulator.provider.balance()).raw == "1000"


async def test_a_reset_ends_hanging_calls() -> None:
    async with simulated() as simulator:
        await simulator.control("fault", kind="hang_after")
        call = asyncio.ensure_future(simulator.provider.send(one()))
        await simulator.has_seen(1)
        await simulator.control("reset")
        assert isinstance(await asyncio.wait_for(call, PATIENCE_SECONDS), Unknown)


async def test_a_call_that_hangs_ends_when_its_caller_hangs_up(simulator: Simulated) -> None:
    await simulator.control("fault", kind="hang_before", seconds=600)
    async with simulator.with_short_deadline() as provider:
        await provider.send(one())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await simulator.control("balance"))["open"]:
            pass


async def test_a_simulator_with_hanging_calls_stops_at_once() -> None:
    program = running()
    async with account_at(await program.__aenter__()) as simulator:
        await simulator.control("fault", kind="hang_after", seconds=600)
        call = asyncio.ensure_future(simulator.provider.send(one()))
        await simulator.has_seen(1)
        await asyncio.wait_for(program.__aexit__(None, None, None), PATIENCE_SECONDS)
        assert isinstance(await call, Unknown)


@pytest.mark.parametrize(
    "requested",
    [
        {},
        {"kind": "nothing"},
        {"kind": ["broken"]},
        {"kind": "broken", "times": 0},
        {"kind": "broken", "times": True},
        {"kind": "broken", "times": 1.5},
        {"kind": "broken", "skip": -1},
        {"kind": "broken", "seconds": "1"},
        {"kind": "broken", "seconds": 601},
        {"kind": "broken", "path": 1},
        {"kind": "broken", "colour": "red"},
        [],
        None,
    ],
)
async def test_an_invalid_fault_is_refused_with_a_sentence(
    simulator: Simulated, requested: object
) -> None:
    async with simulator.session.post(
        f"{simulator.base_url}/control/fault", json=requested
    ) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert (await simulator.control("fault"))["pending"] == []


@pytest.mark.parametrize(
    "requested", [{}, {"balance": "5"}, {"balance": True}, {"add": 1.5}, {"add": 10**13}]
)
async def test_an_invalid_balance_is_refused(
    simulator: Simulated, requested: dict[str, object]
) -> None:
    async with simulator.session.post(
        f"{simulator.base_url}/control/balance", json=requested
    ) as response:
        assert response.status == 400
    assert await simulator.balance() == 1000
