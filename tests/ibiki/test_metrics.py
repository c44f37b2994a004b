"""The Prometheus metrics: stable names, help texts and correct values."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain import ids
from domain.dispatch.messages import Backlog
from domain.errors import TryAgain
from domain.identity.access import Everything
from domain.ids import Kind
from domain.ledger.alarms import AlarmKind, PoolSigns
from domain.ledger.balances import PlatformBalance, ProviderAccountFigures
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown
from ibiki.observability.metrics import DispatchMetrics, Metrics

ACCOUNT = UUID(int=7)
NAMED = ids.encode(Kind.PROVIDER_ACCOUNT, ACCOUNT)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def shown(metrics: Metrics) -> dict[str, float]:
    """Our samples by name and labels, without buckets and creation times."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name.startswith("ibiki_") and not sample.name.endswith(("_bucket", "_created"))
    }


def test_each_metric_has_our_prefix_and_an_explanation() -> None:
    families = list(text_string_to_metric_families(Metrics().exposition().decode()))
    ours = [family for family in families if family.name.startswith("ibiki_")]
    assert len(ours) > 15
    assert all(family.documentation.endswith(".") for family in ours)
    assert {family.name.split("_")[0] for family in families} == {"ibiki", "process", "python"}


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("r1"), "accepted"),
        (Rejected("no such number"), "rejected"),
        (NotSent("refused"), "not_sent"),
        (Unknown("reset"), "unknown"),
    ],
)
def test_a_call_is_counted_with_each_messages_outcome(outcome: Outcome, word: str) -> None:
    metrics = Metrics()
    DispatchMetrics(metrics).called(ACCOUNT, [outcome, outcome], seconds=0.2)
    samples = shown(metrics)
    assert samples[f"ibiki_provider_calls_total{[NAMED]}"] == 1
    assert samples[f"ibiki_message_outcomes_total{sorted([NAMED, word])}"] == 2
    assert samples["ibiki_provider_call_seconds_sum[]"] == 0.2


def test_the_breaker_is_shown_while_it_is_open() -> None:
    metrics = Metrics()
    observer = DispatchMetrics(metrics)
    for is_open in (True, False):
        observer.breaker(ACCOUNT, open_=is_open)
        assert shown(metrics)[f"ibiki_breaker_open{[NAMED]}"] == is_open


def test_swept_messages_are_counted() -> None:
    metrics = Metrics()
    DispatchMetrics(metrics).swept(3)
    assert shown(metrics)["ibiki_messages_swept_total[]"] == 3


@dataclass
class FakeStore:
    """A database that answers, is slow (`backlog` is None) or is unavailable. It counts reads."""

    backlog: Backlog | None = None
    is_unavailable: bool = False
    reads: int = 0

    async def read_backlog(self) -> Backlog:
        self.reads += 1
        if self.backlog is None:
            raise TimeoutError
        return self.backlog

    async def paused_accounts(self) -> dict[UUID, bool]:
        if self.is_unavailable:
            raise TryAgain
        return {ACCOUNT: True}

    async def read_provider_accounts(self, scope: Everything) -> list[ProviderAccountFigures]:
        signs = PoolSigns(added_at=NOW, read_at=NOW, paused_at=NOW)
        pool = PlatformBalance(ACCOUNT, "credit", 10, 20, 0, "10", signs, seen_at=NOW)
        return [ProviderAccountFigures(ACCOUNT, "extreme", None, "credit", 1, pool)]


async def test_the_backlog_is_read_at_most_every_five_seconds() -> None:
    metrics, store = Metrics(), FakeStore(Backlog(12, 3.5, 2, 1, 4, 0, 9, 8, 7))
    await asyncio.gather(*(metrics.backlog.refresh(store) for _ in range(10)))
    assert store.reads == 1
    samples = shown(metrics)
    assert samples["ibiki_database_answers[]"] == 1
    assert samples["ibiki_messages_queued[]"] == 12
    assert samples["ibiki_oldest_queued_seconds[]"] == 3.5
    assert samples["ibiki_messages_unknown[]"] == 2
    assert samples["ibiki_webhook_events_waiting[]"] == 1
    assert samples["ibiki_opt_outs_pending[]"] == 4
    assert samples["ibiki_hook_deliveries_waiting[]"] == 9
    assert samples["ibiki_hook_endpoints_failing[]"] == 8
    assert samples["ibiki_rows_without_month[]"] == 7
    assert samples[f"ibiki_provider_account_paused{[NAMED]}"] == 1


async def test_each_alarm_is_shown_as_0_or_1() -> None:
    metrics = Metrics()
    await metrics.backlog.refresh(FakeStore(Backlog(12, 3.5, 2, 1, 4)))
    samples = shown(metrics)
    shown_as = {
        kind: samples[f"ibiki_alarm{sorted([kind.value.lower(), NAMED])}"] for kind in AlarmKind
    }
    raised = {AlarmKind.OVER_ALLOCATED, AlarmKind.PROVIDER_REFUSING}
    assert shown_as == {kind: kind in raised for kind in AlarmKind}


@pytest.mark.parametrize("is_unavailable", [True, False])
async def test_a_backlog_that_cannot_be_read_is_not_shown_as_zero(is_unavailable: bool) -> None:
    metrics = Metrics()
    await metrics.backlog.refresh(FakeStore(is_unavailable=is_unavailable))
    samples = shown(metrics)
    assert isnan(samples["ibiki_messages_queued[]"])
    assert isnan(samples["ibiki_oldest_queued_seconds[]"])
    assert samples["ibiki_database_answers[]"] == (not is_unavailable), "slow is not unavailable"


def test_two_sets_of_metrics_are_independent() -> None:
    one, other = Metrics(), Metrics()
    one.swept.inc()
    assert shown(other)["ibiki_messages_swept_total[]"] == 0
