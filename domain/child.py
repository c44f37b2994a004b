"""The other end of `domain.long_work.in_child`: does one piece of work, and ends.

It also ends when its parent has ended: it then reads the end of its input.
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
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    work, given, niceness = _read(asked)
    os.nice(niceness)
    try:
        with open(int(sys.argv[1]), "rb") as file:
            _say(answers, RESULT, _result(work(file, *given), asked, answers))
    except Refusal as refusal:
        _say(answers, REFUSAL, refusal)
    except (EOFError, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())  # Python flushes at its end
    except Exception:  # noqa: BLE001 - the parent raises it
        _say(answers, FAILURE, traceback.format_exc())


def _result(steps: Steps[Any], asked: BinaryIO, answers: BinaryIO) -> Any:
    reply: Any = None
    while True:
        is_result, value = next_step(steps, reply)
        if is_result:
            return value
        _say(answers, QUESTION, value)
        reply = _read(asked)


def _read(asked: BinaryIO) -> Any:
    """What the parent says next. Raises EOFError if it has ended."""
    head = asked.read(SIZE_BYTES)
    if len(head) < SIZE_BYTES:
        raise EOFError
    return pickle.loads(asked.read(int.from_bytes(head, "big")))  # noqa: S301 - from our parent


def _say(answers: BinaryIO, kind: int, value: Any) -> None:
    answers.write(framed((kind, value)))
    answers.flush()


if __name__ == "__main__":
    main()
