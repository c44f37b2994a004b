"""The operator's logo: pictures that are taken, and the errors of other files."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest

from ibiki.settings.logo import LARGEST_BYTES
from ibiki.settings.settings import SettingsInvalid, load

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>'


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    (
        _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(b"\0\xff\xcc\0")),
        _chunk(b"IEND", b""),
    )
)


@pytest.mark.parametrize(
    ("content", "media_type", "extension"),
    [(PNG, "image/png", ".png"), (SVG, "image/svg+xml", ".svg")],
)
def test_the_content_decides_what_a_logo_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    media_type: str,
    extension: str,
) -> None:
    file = tmp_path / "logo of ours.gif"
    file.write_bytes(content)
    monkeypatch.setenv("BRAND_LOGO", str(file))
    monkeypatch.setenv("BRAND_COLOR", "#FFCC00")
    installation = load(tmp_path).installation
    assert installation.brand_logo is not None
    assert installation.brand_logo.content == content
    assert installation.brand_logo.media_type == media_type
    assert installation.brand.logo == installation.brand_logo.path
    assert installation.brand_logo.path.endswith(extension)
    assert installation.brand.color == "#ffcc00"


def test_there_is_no_logo_without_the_setting(tmp_path: Path) -> None:
    assert load(tmp_path).installation.brand.logo is None


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is not a complete PNG or SVG picture"),
        (PNG[:-5], "is not a complete PNG or SVG picture"),
        (SVG[:-2], "is not a complete PNG or SVG picture"),
        (b"<html><svg xmlns='http://www.w3.org/2000/svg'/></html>", "is not a complete PNG or"),
        (b"<svg>no namespace: browsers show nothing</svg>", "is not a complete PNG or SVG picture"),
        (b"GIF89a", "is not a complete PNG or SVG picture"),
        (SVG + b" " * LARGEST_BYTES, "is larger than 256 KiB"),
    ],
)
def test_a_file_that_is_no_logo_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, wrong: str
) -> None:
    file = tmp_path / "hidden.svg"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("BRAND_LOGO", str(file))
    with pytest.raises(SettingsInvalid) as invalid:
        load(tmp_path)
    (problem,) = invalid.value.problems
    assert problem.name == "BRAND_LOGO"
    assert wrong in problem.wrong
    assert "hidden" not in str(invalid.value)


def test_a_directory_is_no_logo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAND_LOGO", str(tmp_path))
    with pytest.raises(SettingsInvalid, match="BRAND_LOGO cannot be read: Is a directory"):
        load(tmp_path)


def test_a_pipe_is_no_logo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "logo.svg"
    os.mkfifo(pipe)
    monkeypatch.setenv("BRAND_LOGO", str(pipe))
    with pytest.raises(SettingsInvalid, match="BRAND_LOGO cannot be read: It is a pipe"):
        load(tmp_path)
