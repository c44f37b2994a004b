"""What an operator sees of the running program: metrics move, spans arrive, no names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from tests.end_to_end.program import (
    Api,
    Program,
    clean_environment,
    copy_of,
    eventually,
    signed_in,
    up,
)
from tests.ibiki.collector import Collector, attributes, collecting
from tests.ports import free_port

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

SEND = """
mutation ($input: SendInput!) { send(input: $input) {
  __typename ... on Send { id } ... on UserError { message } } }
"""
BULK_SEND = """
mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename } }
"""
FINISHED = "query ($id: ID!) { send(id: $id) { finished } }"
REFUSED, ANSWERED_WITH_HTML, ANSWERS = "+12025550160", "+12025550172", "+12025550177"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"

Samples = dict[str, float]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as listening:
        yield listening


@pytest.fixture(scope="module")
def program(collector: Collector, installation: Path) -> Iterator[Program]:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with copy_of(installation) as directory, up(directory, **endpoint) as running:
        work(running)
        yield running


def send(client: Api, to: str) -> Any:
    return client.ask(SEND, input={"to": to, "text": "Good morning"})["send"]


def work(program: Program) -> None:
    """Sends with every outcome: accepted, rejected, unknown, replied to, and too expensive."""
    with signed_in(program, "client@ibiki.test") as client:
        sent = [send(client, "+12025550100"), send(client, REFUSED)]
        sent += [send(client, ANSWERED_WITH_HTML), send(client, ANSWERS)]
        eventually(
            lambda: all(client.ask(FINISHED, id=each["id"])["send"]["finished"] for each in sent)
        )
        bulk = {"to": ["+12025550101", "+12025550102"], "text": "Good morning"}
        assert client.ask(BULK_SEND, input=bulk)["bulkSend"]["__typename"] == "Send"
        assert send(client, "12")["__typename"] == "NoValidRecipients"
    refused = httpx.post(
        f"{program.address}/graphql",
        json={"query": "{ users { nodes { id } } }"},
        headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"},
    )
    assert refused.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (
        httpx.post(
            f"{program.address}/webhooks/extreme/s3cret", content=b"{", timeout=60
        ).status_code
        == 400
    )


def scraped(program: Program) -> Samples:
    """Each sample of our metrics, by its name and its labels' values."""
    return {
        " ".join([sample.name, *sorted(sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(exposed(program))
        for sample in family.samples
        if sample.name.startswith("ibiki_")
    }


def exposed(program: Program) -> str:
    answer = httpx.get(f"{program.address}/metrics", timeout=60)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("sample", "at_least"),
    [
        ("ibiki_http_requests_total /graphql 200 POST", 5),
        ("ibiki_http_request_seconds_count", 5),
        ("ibiki_sends_accepted_total single", 4),
        ("ibiki_sends_accepted_total bulk", 1),
        ("ibiki_messages_accepted_total bulk", 2),
        ("ibiki_accept_seconds_count", 5),
        ("ibiki_accept_seconds_sum", 0.0001),
        ("ibiki_accept_batch_size_count", 1),
        ("ibiki_accept_batch_size_sum", 5),
        ("ibiki_accept_batch_seconds_sum", 0.0001),
        ("ibiki_refusals_total NoValidRecipients send", 1),
        ("ibiki_refusals_total Unauthenticated users", 1),
        ("ibiki_database_answers", 1),
        ("ibiki_provider_call_seconds_count", 4),
        ("ibiki_webhook_events_total extreme invalid", 1),
        ("ibiki_webhook_events_total extreme unrouted", 1),
    ],
)
def test_each_counter_has_moved(program: Program, sample: str, at_least: float) -> None:
    eventually(lambda: scraped(program).get(sample, 0) >= at_least)


def test_outcomes_are_counted_by_provider_account(program: Program) -> None:
    found = scraped(program)
    assert {"accepted", "rejected", "unknown"} <= {
        word for name in found if "message_outcomes_total" in name for word in name.split()
    }


def test_the_backlog_is_read_from_the_database(program: Program) -> None:
    expected = {
        "ibiki_messages_unknown": 1,
        "ibiki_messages_queued": 0,
        "ibiki_oldest_queued_seconds": 0,
        "ibiki_webhook_events_waiting": 0,
    }
    eventually(lambda: expected.items() <= scraped(program).items())
    found = scraped(program)
    paused = [value for name, value in found.items() if "account_paused" in name]
    assert paused == [0, 0]  # the platform's account and the school's


def test_an_open_socket_is_counted_for_as_long_as_it_is_open(program: Program) -> None:
    address = program.address.replace("http", "ws") + "/graphql"
    assert scraped(program)["ibiki_sockets"] == 0
    with connect(address, subprotocols=["graphql-transport-ws"]):  # type: ignore[list-item]
        eventually(lambda: scraped(program)["ibiki_sockets"] == 1)
    eventually(lambda: scraped(program)["ibiki_sockets"] == 0)


@pytest.mark.parametrize("name", ["POST /graphql", "POST /webhooks", "accept", "provider call"])
def test_each_kind_of_span_arrives(program: Program, collector: Collector, name: str) -> None:
    eventually(lambda: collector.named(name))


def test_a_span_names_the_request_and_its_result(program: Program, collector: Collector) -> None:
    requested = eventually(
        lambda: [each for each in collector.named("POST /graphql") if each.parent_span_id]
    )
    assert [each.trace_id.hex() for each in requested] == [TRACE_ID]
    shown = attributes(requested[0])
    assert shown["graphql.operation"] == "query users"
    assert shown["http.response.status_code"] == 200
    eventually(
        lambda: any(
            attributes(each).get("webhook.outcome") == "invalid"
            for each in collector.named("POST /webhooks")
        )
    )


def test_telemetry_names_no_client(program: Program, collector: Collector) -> None:
    shown = exposed(program) + collector.everything.decode(errors="replace")
    for word in ("2025550", "Client", "MG888", "ibiki.test", "Good morning", "s3cret"):
        assert word not in shown, word


def test_a_dispatcher_with_a_port_serves_health_and_metrics(program: Program) -> None:
    port = free_port()
    command = [sys.executable, "-m", "ibiki", "dispatch", "--port", str(port)]
    dispatcher = subprocess.Popen(
        [*command, "--data", str(program.directory)], env=clean_environment()
    )
    try:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(f"{address}/readyz"))
        assert "ibiki_breaker_open" in httpx.get(f"{address}/metrics", timeout=60).text
        assert httpx.post(f"{address}/graphql").status_code == 404
    finally:
        dispatcher.terminate()
        assert dispatcher.wait(60) == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
