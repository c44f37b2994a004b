"""Problems of dispatching are logged, once for each event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind
from domain.provider import Accepted, NotSent, Unknown
from ibiki.observability.metrics import DispatchMetrics, Metrics

ACCOUNT = UUID(int=7)


@pytest.mark.parametrize(
    ("happens", "level", "words"),
    [
        (
            lambda log: log.paused(ACCOUNT, "no money left"),
            logging.ERROR,
            "the provider rejects our account, messages wait: no money left",
        ),
        (
            lambda log: log.called(ACCOUNT, [Accepted("r"), Unknown("reset")], seconds=1),
            logging.WARNING,
            "1 message of a call with 2 is UNKNOWN: reset",
        ),
        (
            lambda log: log.called(ACCOUNT, [Unknown("reset"), Unknown("reset")], seconds=1),
            logging.WARNING,
            "2 messages of a call with 2 are UNKNOWN: reset",
        ),
        (
            lambda log: log.swept(3),
            logging.WARNING,
            "3 messages are UNKNOWN: their lease ended during the call",
        ),
        (
            lambda log: log.swept(1),
            logging.WARNING,
            "1 message is UNKNOWN: its lease ended during the call",
        ),
        (
            lambda log: (
                log.called(ACCOUNT, [NotSent("not reachable")], seconds=1),
                log.breaker(ACCOUNT, open_=True),
            ),
            logging.WARNING,
            "the circuit breaker is open, calls got no clear answer: not reachable",
        ),
        (lambda log: log.resumed(ACCOUNT), logging.INFO, "the provider accepts messages again"),
    ],
)
def test_the_event_is_logged(
    caplog: pytest.LogCaptureFixture,
    happens: Callable[[DispatchMetrics], None],
    level: int,
    words: str,
) -> None:
    with caplog.at_level(logging.INFO, logger="ibiki.dispatch"):
        happens(DispatchMetrics(Metrics()))
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [(level, words)]
    named = ids.encode(Kind.PROVIDER_ACCOUNT, ACCOUNT)  # as in the API
    assert {getattr(each, "provider_account", named) for each in caplog.records} == {named}


def test_success_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    dispatch_log = DispatchMetrics(Metrics())
    with caplog.at_level(logging.INFO, logger="ibiki.dispatch"):
        dispatch_log.called(ACCOUNT, [Accepted("r")], seconds=1)
        dispatch_log.swept(0)
    assert caplog.records == []
