"""Imports only the modules that a command needs. Imports take most of the start-up time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Thread
from types import ModuleType

COLLECT_AFTER = 5_000, 20, 50
"""Thresholds of the garbage collector, as of `gc.set_threshold`.

With Python's own values (700, 10, 10), collections took 5 to 10 % of the CPU of a send. What a
request makes is freed without them, except for a few cycles of exceptions.
"""


def load(name: str) -> ModuleType:
    """Imports a module while the garbage collector is off, then freezes the loaded objects.

    During the import of 1,700 modules the collector would take a fifth of the time and find
    nothing. Freezing means that later collections, during requests, skip these objects too.
    """
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(*COLLECT_AFTER)


def load_in_background(name: str) -> Callable[[], ModuleType]:
    """Imports a module in a thread. The returned function waits for it and returns the module."""
    loaded: Future[ModuleType] = Future()

    def work() -> None:
        try:
            loaded.set_result(load(name))
        except BaseException as error:  # noqa: BLE001 - raised again by the returned function
            loaded.set_exception(error)

    Thread(target=work, name="loading", daemon=True).start()
    return loaded.result
