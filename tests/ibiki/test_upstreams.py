"""Which provider is behind an installation, and whether it was another one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibiki.settings.settings import load
from ibiki.upstreams import provider_changed

URL = "EXTREME_API_URL"


def test_a_start_with_another_provider_than_the_last_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starts(url: str | None) -> bool:
        monkeypatch.delenv(URL, raising=False) if url is None else monkeypatch.setenv(URL, url)
        return provider_changed(load(tmp_path), tmp_path)

    assert not starts(None)
    assert not starts(None)
    assert starts("https://sms.example")
    assert not starts("https://sms.example")
    assert starts("https://other.example")
    assert starts(None)
