"""The other end of `domain.long_work.in_child`: does one piece of work, and ends.

It also ends if its parent has ended, because its input ends then.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from typing import Any, BinaryIO

from domain.errors import Refusal
from domain.long_work import (
    FAILURE,
    QUESTION,
    REFUSAL,
    RESULT,
    SIZE_BYTES,
    Steps,
    framed,
    next_step,
)


def main() -> None:
    """Reads what to do from standard input. The only argument is the number of an open file."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    work, given, niceness = _read(source)
    os.nice(niceness)
    try:
        with open(int(sys.argv[1]), "rb") as file:
            _write(target, RESULT, _result(work(file, *given), source, target))
    except Refusal as refusal:
        _write(target, REFUSAL, refusal)
    except (EOFError, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())  # Python flushes at its end
    except Exception:  # noqa: BLE001 - the parent raises it
        _write(target, FAILURE, traceback.format_exc())


def _result(steps: Steps[Any], source: BinaryIO, target: BinaryIO) -> Any:
    reply: Any = None
    while True:
        is_result, value = next_step(steps, reply)
        if is_result:
            return value
        _write(target, QUESTION, value)
        reply = _read(source)


def _read(source: BinaryIO) -> Any:
    """What the parent writes next. Raises EOFError if it has ended."""
    head = source.read(SIZE_BYTES)
    if len(head) < SIZE_BYTES:
        raise EOFError
    return pickle.loads(source.read(int.from_bytes(head, "big")))  # noqa: S301 - from our parent


def _write(target: BinaryIO, kind: int, value: Any) -> None:
    target.write(framed((kind, value)))
    target.flush()


if __name__ == "__main__":
    main()
