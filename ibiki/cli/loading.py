"""Imports what a command needs, and nothing before: most of a start is spent with it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Thread
from types import ModuleType


def load(name: str) -> ModuleType:
    """The module, imported without the garbage collector, which is then spared all of it.

    While 1,700 modules are loaded it would look through them again and again and find nothing: a
    fifth of the time. Afterwards they are never looked through, which every request saves as well.
    """
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def load_in_background(name: str) -> Callable[[], ModuleType]:
    """The same beside what goes on meanwhile; what is returned waits for it."""
    loaded: Future[ModuleType] = Future()

    def work() -> None:
        try:
            loaded.set_result(load(name))
        except BaseException as failure:  # noqa: BLE001 - raised again where it is waited for
            loaded.set_exception(failure)

    Thread(target=work, name="loading", daemon=True).start()
    return loaded.result
