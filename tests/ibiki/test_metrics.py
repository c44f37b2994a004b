"""What Prometheus reads: names that stay, help for each, numbers that follow what happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import isnan
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.dispatch.ports import Backlog
from domain.errors import TryAgain
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from ibiki.observability.metrics import HandoverMetrics, Metrics

ACCOUNT = UUID(int=7)


def shown(metrics: Metrics) -> dict[str, float]:
    """Each sample of ours by its name and labels, without buckets and creation times."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name.startswith("ibiki_") and not sample.name.endswith(("_bucket", "_created"))
    }


def test_each_metric_is_ours_by_name_and_explained() -> None:
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
    HandoverMetrics(metrics).called(ACCOUNT, [outcome, outcome], seconds=0.2)
    samples = shown(metrics)
    assert samples[f"ibiki_provider_calls_total{[str(ACCOUNT)]}"] == 1
    assert samples[f"ibiki_message_outcomes_total{sorted([str(ACCOUNT), word])}"] == 2
    assert samples["ibiki_provider_call_seconds_sum[]"] == 0.2


def test_the_breaker_comes_and_goes() -> None:
    metrics = Metrics()
    observer = HandoverMetrics(metrics)
    for is_open in (True, False):
        observer.breaker(ACCOUNT, open_=is_open)
        assert shown(metrics)[f"ibiki_breaker_open{[str(ACCOUNT)]}"] == is_open


def test_swept_messages_are_counted() -> None:
    metrics = Metrics()
    HandoverMetrics(metrics).swept(3)
    assert shown(metrics)["ibiki_messages_swept_total[]"] == 3


@dataclass
class FakeStore:
    """Says what waits, or that it is away; counts how often it was asked."""

    found: Backlog | None
    asked: int = 0

    async def read_backlog(self) -> Backlog:
        self.asked += 1
        if self.found is None:
            raise TryAgain
        return self.found


async def test_what_waits_is_read_once_in_a_while() -> None:
    metrics, store = Metrics(), FakeStore(Backlog(12, 3.5, 2, 1, {ACCOUNT: True}))
    await asyncio.gather(*(metrics.backlog.refresh(store) for _ in range(10)))
    assert store.asked == 1
    samples = shown(metrics)
    assert samples["ibiki_database_answers[]"] == 1
    assert samples["ibiki_messages_queued[]"] == 12
    assert samples["ibiki_oldest_queued_seconds[]"] == 3.5
    assert samples["ibiki_messages_unknown[]"] == 2
    assert samples["ibiki_webhook_events_waiting[]"] == 1
    assert samples[f"ibiki_provider_account_paused{[str(ACCOUNT)]}"] == 1


async def test_what_cannot_be_read_is_not_shown_as_nothing() -> None:
    metrics = Metrics()
    await metrics.backlog.refresh(FakeStore(None))
    samples = shown(metrics)
    assert samples["ibiki_database_answers[]"] == 0
    assert isnan(samples["ibiki_messages_queued[]"])
    assert isnan(samples["ibiki_oldest_queued_seconds[]"])


def test_two_sets_of_metrics_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.swept.inc()
    assert shown(other)["ibiki_messages_swept_total[]"] == 0
