"""The table of operations, and what each outcome allows."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
import pytest
import trio
import trio.testing

from f7tfs.firecrest.auth import StaticToken
from f7tfs.firecrest.base import Client
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.errors import ConnectionFailed, Uncertain
from f7tfs.firecrest.operations import Operation, Repeat, table
from f7tfs.firecrest.ratelimit import Budget, budget_of, retry_after
from f7tfs.firecrest.reply import Reply
from f7tfs.firecrest.retry import Outcome, RetryPolicy, is_uncertain, may_repeat, outcome_of
from f7tfs.firecrest.session import Options

CLIENTS: dict[str, type[Client]] = {"v1": FirecrestV1, "v2": FirecrestV2}
ALL = [(version, operation) for version, client in CLIENTS.items() for operation in client.operations.values()]
IDS = [f"{version}-{operation.name}" for version, operation in ALL]

# What changes something in a way that a second time is not the same as once. All else may be repeated.
NEVER = {
    "v1": {
        "mkdir",
        "symlink",
        "mv",
        "copy",
        "simple_delete",
        "extract",
        "submit_upload",
        "submit_path",
        "create_reservation",
        "delete_reservation",
        "internal_transfer",
        "external_upload",
    },
    "v2": {
        "mkdir",
        "symlink",
        "rm",
        "extract",
        "transfer_mv",
        "transfer_cp",
        "transfer_rm",
        "transfer_compress",
        "transfer_extract",
        "transfer_upload",
        "transfer_download",
        "submit",
        "attach",
    },
}
# What stands in routes.
ARGUMENTS = ("system_name", "service_name", "job_id", "task_id", "action", "reservation")
# Methods that share the operation of another.
SHARED = {"status_systems": "systems", "aclose": None, "reopen": None}


@pytest.mark.parametrize(("version", "operation"), ALL, ids=IDS)
def test_each_operation_is_repeated_only_if_that_does_no_harm(version: str, operation: Operation) -> None:
    assert (operation.repeat is Repeat.NEVER) == (operation.name in NEVER[version])
    lost = may_repeat(operation, Outcome.UNKNOWN)
    assert lost != (operation.name in NEVER[version])
    assert may_repeat(operation, Outcome.NOT_DONE)
    assert not may_repeat(operation, Outcome.FINAL)


@pytest.mark.parametrize(("version", "operation"), ALL, ids=IDS)
def test_each_operation_is_bounded_and_has_a_method(version: str, operation: Operation) -> None:
    assert 0 < operation.seconds <= 65
    if operation.method == "GET":
        assert operation.repeat is not Repeat.NEVER
    assert inspect.iscoroutinefunction(getattr(CLIENTS[version], operation.name, None))


@pytest.mark.parametrize("version", CLIENTS)
def test_each_method_has_an_operation(version: str) -> None:
    client = CLIENTS[version]
    methods = {
        name
        for name, _ in inspect.getmembers(client, inspect.iscoroutinefunction)
        if not name.startswith("_") and name not in SHARED
    }
    assert methods == set(client.operations)


@pytest.mark.parametrize("name", ["list_files", "checksum", "download", "upload", "compress"])
def test_what_costs_the_server_its_whole_time_is_not_asked_twice(name: str) -> None:
    operation = FirecrestV2.operations[name]
    assert not may_repeat(operation, Outcome.COMMAND_TIMEOUT)
    assert not is_uncertain(operation, Outcome.COMMAND_TIMEOUT)


def test_a_name_cannot_be_in_a_table_twice() -> None:
    operation = FirecrestV2.operations["stat"]
    with pytest.raises(ValueError, match="twice"):
        table([operation, operation])


def reply(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, json.dumps({"message": message}))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(429), Outcome.NOT_DONE),
        (reply(424, "Unable to open a new SSH channel."), Outcome.NOT_DONE),
        (reply(424, "Unable to establish SSH connection."), Outcome.NOT_DONE),
        (reply(424, "Something else"), Outcome.UNKNOWN),
        (reply(500, "(111, 'Connection refused')"), Outcome.NOT_DONE),
        (reply(500, "Remote process failed"), Outcome.FINAL),
        (reply(503, "The ssh service for the requested system (x) is unhealthy."), Outcome.NOT_DONE),
        (reply(503), Outcome.UNKNOWN),
        (reply(502), Outcome.UNKNOWN),
        (reply(504), Outcome.UNKNOWN),
        (reply(408), Outcome.COMMAND_TIMEOUT),
        (reply(400, headers={"x-timeout": "Command has finished"}), Outcome.COMMAND_TIMEOUT),
        (reply(400), Outcome.FINAL),
        (reply(404), Outcome.FINAL),
        (reply(413), Outcome.FINAL),
    ],
)
def test_what_an_answer_says_of_the_call(answer: Reply, outcome: Outcome) -> None:
    assert outcome_of(answer) is outcome


def test_a_lost_answer_is_uncertain_only_for_what_is_not_repeated() -> None:
    assert is_uncertain(FirecrestV2.operations["mkdir"], Outcome.UNKNOWN)
    assert is_uncertain(FirecrestV2.operations["rm"], Outcome.COMMAND_TIMEOUT)
    assert not is_uncertain(FirecrestV2.operations["mkdir"], Outcome.NOT_DONE)
    assert not is_uncertain(FirecrestV2.operations["stat"], Outcome.UNKNOWN)


def test_waits_grow_and_are_jittered_below_a_ceiling() -> None:
    low, high = RetryPolicy(rand=lambda: 0.0), RetryPolicy(rand=lambda: 1.0)
    assert [high.wait(attempt) for attempt in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert [low.wait(attempt) for attempt in range(3)] == [0.125, 0.25, 0.5]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("100000", 300.0),
        ("Sun, 22 Nov 2026 22:00:10 GMT", 10.0),
        ("Sun, 22 Nov 2026 21:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    now = datetime(2026, 11, 22, 22, 0, 0, tzinfo=UTC)
    assert retry_after(Reply(429, {"retry-after": value}), now) == seconds


NOW = datetime(2026, 11, 22, 22, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "budget"),
    [
        ({"ratelimit-remaining": "7", "ratelimit-reset": "12"}, Budget(7, 12.0)),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 5)}, Budget(0, 5.0)),
        ({"ratelimit-remaining": "3, 3;w=60", "ratelimit-reset": "100000"}, Budget(3, 300.0)),
        ({"ratelimit-remaining": "7"}, None),
        ({"ratelimit-remaining": "many", "ratelimit-reset": "1"}, None),
        ({}, None),
    ],
)
def test_what_is_left_of_the_calls_of_a_period(headers: dict[str, str], budget: Budget | None) -> None:
    assert budget_of(Reply(200, headers), NOW) == budget


def test_a_refusal_without_retry_after_says_by_its_reset_how_long_to_wait() -> None:
    assert retry_after(Reply(429, {"ratelimit-reset": "4"}), NOW) == 4.0
    assert retry_after(Reply(429, {"retry-after": "2", "ratelimit-reset": "4"}), NOW) == 2.0
    assert retry_after(Reply(429, {"retry-after": "soon", "ratelimit-reset": "4"}), NOW) == 4.0
    assert retry_after(Reply(503, {"ratelimit-reset": "4"}), NOW) is None


@pytest.mark.parametrize(("version", "operation"), ALL, ids=IDS)
def test_each_operation_whose_answer_is_lost_is_repeated_or_uncertain(version: str, operation: Operation) -> None:
    sent = 0

    def lose(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        raise httpx.ReadError("gone")

    async def main() -> None:
        options = Options(transport=httpx.MockTransport(lose))
        async with CLIENTS[version]("https://f7t.test", StaticToken("t"), options) as client:
            await client._call(operation.name, dict.fromkeys(ARGUMENTS, "x"))

    never = operation.name in NEVER[version]
    with pytest.raises(Uncertain if never else ConnectionFailed) as raised:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert isinstance(raised.value, Uncertain) == never
    assert (sent == 1) == never
    assert f"{operation.method} /" in str(raised.value)
