"""The namespace that fills the ports holds each function once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import defaultdict

import persistence
from persistence import store


def test_no_two_modules_of_persistence_define_the_same_function() -> None:
    modules_of: defaultdict[str, list[str]] = defaultdict(list)
    for found in pkgutil.walk_packages(persistence.__path__, "persistence."):
        if ".migrations" in found.name or found.name == store.__name__:
            continue
        for name, function in inspect.getmembers(importlib.import_module(found.name)):
            if inspect.isfunction(function) and function.__module__ == found.name:
                modules_of[name].append(found.name)
    twice = {
        name: modules
        for name, modules in modules_of.items()
        if len(modules) > 1 and not name.startswith("_") and hasattr(store, name)
    }
    assert twice == {}
