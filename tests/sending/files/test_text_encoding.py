"""The encoding of a file, and which files are refused because it is doubtful."""

from __future__ import annotations

import io

import pytest

from domain.errors import InvalidFile
from domain.sending.files.text_encoding import encoding_of

NAMES = "Zoë;Müller;Ñandú\n"


@pytest.mark.parametrize(
    ("content", "declared", "encoding"),
    [
        (b"plain\n", None, "utf-8"),
        (NAMES.encode(), None, "utf-8"),
        (NAMES.encode("utf-8-sig"), None, "utf-8-sig"),
        (NAMES.encode("utf-16"), None, "utf-16"),
        (b"\xfe\xff" + NAMES.encode("utf-16-be"), None, "utf-16"),
        (NAMES.encode("utf-32"), None, "utf-32"),
        (NAMES.encode("cp1252"), None, "cp1252"),
        ("€ – “x”\n".encode("cp1252"), None, "cp1252"),
        (NAMES.encode("latin-1"), "ISO-8859-1", "cp1252"),
        (NAMES.encode("latin-1"), "us-ascii", "cp1252"),
        (NAMES.encode(), "UTF-8", "utf-8"),
        ("Привет\n".encode("cp1251"), "windows-1251", "cp1251"),
        ("Привет\n".encode("koi8-r"), "koi8-r", "koi8-r"),
        ("日本\n".encode("shift_jis"), "Shift_JIS", "shift_jis"),
        ("中文\n".encode("gbk"), "gb2312", "gb18030"),
        # The mark in the file has priority.
        (NAMES.encode("utf-8-sig"), "windows-1252", "utf-8-sig"),
    ],
)
def test_the_encoding_is_found(content: bytes, declared: str | None, encoding: str) -> None:
    file = io.BytesIO(content)
    assert encoding_of(file, declared) == encoding
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("content", "declared", "line", "words"),
    [
        (b"PK\x03\x04\x14\x00", None, 1, "NUL"),
        (b"a\nb\0c\n", None, 2, "NUL"),
        ("a;b\n".encode("utf-16-le"), None, 1, "NUL"),
        # Damaged UTF-8: read as windows-1252 it would be "ZoÃ«".
        (b"a\nZo\xc3\xab\nM\xc3ller\n", None, 3, "the encoding is unknown"),
        (b"a\n\x81\x8d\n", None, 2, "the encoding is unknown"),
        (b"a\nM\xfcller\n", "utf-8", 2, "not UTF-8"),
        (b"\xef\xbb\xbfa\n\xff\n", None, 2, "not UTF-8"),
        (b"\xff\xfea\x00\n\x00\x00\xd8a\x00", None, 2, "not UTF-16"),
        (b"\xff\xfea\x00b", None, 1, "not UTF-16"),
        (b"a\n", "rot13", None, "is unknown"),
        (b"a\n", "x" * 10_000, None, "is unknown"),
        (b"a\n", "unicode_escape", None, "is unknown"),
        (b"a\n", "\0", None, "is unknown"),
    ],
)
def test_a_file_that_is_not_text_of_one_encoding_is_refused(
    content: bytes, declared: str | None, line: int | None, words: str
) -> None:
    with pytest.raises(InvalidFile, match=words) as refused:
        encoding_of(io.BytesIO(content), declared)
    assert refused.value.line == line


def test_a_character_can_be_split_between_two_parts_of_a_file() -> None:
    for before in range(65_530, 65_540):
        content = b"x" * before + "日本\n".encode()
        assert encoding_of(io.BytesIO(content)) == "utf-8"
