"""What goes wrong in handing over is said in the log, once for each time it happens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import pytest

from domain.outcomes import Accepted, Unknown
from ibiki.observability.dispatch_log import DispatchLog
from ibiki.observability.metrics import Metrics

ACCOUNT = UUID(int=7)


@pytest.mark.parametrize(
    ("happens", "level", "said"),
    [
        (
            lambda alarms: alarms.paused(ACCOUNT, "no money left"),
            logging.ERROR,
            "the provider refuses our account, and messages wait: no money left",
        ),
        (
            lambda alarms: alarms.called(ACCOUNT, [Accepted("r"), Unknown("reset")], seconds=1),
            logging.WARNING,
            "1 of 2 messages of a call are UNKNOWN: reset",
        ),
        (
            lambda alarms: alarms.swept(3),
            logging.WARNING,
            "3 messages are UNKNOWN: their call never ended",
        ),
        (
            lambda alarms: alarms.breaker(ACCOUNT, open_=True),
            logging.WARNING,
            "calls are held back: none was answered clearly",
        ),
        (
            lambda alarms: alarms.resumed(ACCOUNT),
            logging.INFO,
            "the provider takes messages again",
        ),
    ],
)
def test_it_is_said(
    caplog: pytest.LogCaptureFixture,
    happens: Callable[[DispatchLog], None],
    level: int,
    said: str,
) -> None:
    with caplog.at_level(logging.INFO, logger="ibiki.handover"):
        happens(DispatchLog(Metrics()))
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [(level, said)]


def test_what_goes_well_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    alarms = DispatchLog(Metrics())
    with caplog.at_level(logging.INFO, logger="ibiki.handover"):
        alarms.called(ACCOUNT, [Accepted("r")], seconds=1)
        alarms.swept(0)
    assert caplog.records == []
