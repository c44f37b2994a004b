"""Detects that the provider has changed since the last start."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibiki.settings.settings import load
from ibiki.upstreams import provider_changed

URL = "EXTREME_API_URL"


def test_a_changed_provider_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def starts(url: str | None) -> bool:
        monkeypatch.delenv(URL, raising=False) if url is None else monkeypatch.setenv(URL, url)
        return provider_changed(load(tmp_path), tmp_path)

    assert not starts(None)
    assert not starts(None)
    assert starts("https://sms.example")
    assert not starts("https://sms.example")
    assert starts("https://other.example")
    assert starts(None)
