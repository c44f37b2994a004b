"""Which encoding a file of text is in: by its mark, by what was declared, else by what fits.

A wrong guess would send gibberish to people, at a charge: where the bytes leave room for doubt the
file is refused. Labels: WHATWG Encoding Standard §4.2, by which ISO-8859-1 means windows-1252.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.errors import InvalidFile

_CHUNK = 64 * 1024
_UTF_8, _WINDOWS_1252 = "utf-8", "cp1252"

# Byte order marks; that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARABLE = {
    codecs.lookup(name).name: name
    for name in (
        *(f"cp{number}" for number in (437, 850, 852, 866, 874, 932, 949, *range(1250, 1259))),
        *(f"iso8859-{part}" for part in (*range(2, 12), *range(13, 17))),
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *("koi8-r", "koi8-u", "mac-roman", "shift_jis", "euc-jp", "euc-kr", "gb18030", "big5"),
    )
} | {"ascii": _WINDOWS_1252, "iso8859-1": _WINDOWS_1252, "gbk": "gb18030", "gb2312": "gb18030"}


def encoding_of(file: BinaryIO, declared: str | None = None) -> str:
    """The codec by which the whole file can be read; it stands at its beginning again.

    `declared`: the charset that came with the file; a mark in the file outweighs it. Raises
    InvalidFile for what is no text, or can be read by none.
    """
    file.seek(0)
    start = file.read(4)
    mark = next((codec for mark, codec in _MARKS if start.startswith(mark)), None)
    named = mark or _declared(declared)
    if named:
        if stumble := _stumble(file, named):
            raise _refused(stumble.line, f"this is not {_in_words(named)}, as it was said to be.")
        return named
    stumble = _stumble(file, _UTF_8)
    if stumble is None:
        return _UTF_8
    # What was UTF-8 for a while and then is not has been damaged: it was never another encoding.
    if stumble.after_wide or _stumble(file, _WINDOWS_1252):
        raise _refused(
            stumble.line,
            "the encoding cannot be told. Save the file as CSV in UTF-8, or name its charset in the"
            " Content-Type.",
        )
    return _WINDOWS_1252


@dataclass(frozen=True, slots=True)
class _Stumble:
    """Where a file stops being text of an encoding. `after_wide`: after more than ASCII."""

    line: int
    after_wide: bool


def _stumble(file: BinaryIO, codec: str) -> _Stumble | None:
    """The first; None where the whole file can be decoded. Raises InvalidFile for a NUL."""
    decoder = codecs.getincrementaldecoder(codec)()
    line, wide = 1, False
    file.seek(0)
    for chunk, is_last in _chunks(file):
        try:
            text = decoder.decode(chunk, is_last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(error.encoding, "ignore")
            file.seek(0)
            return _Stumble(line + _line_ends(before), wide or not before.isascii())
        if "\0" in text:
            raise _refused(
                line + _line_ends(text.partition("\0")[0]),
                "a NUL character: this is no text. Save the table as CSV in UTF-8.",
            )
        line, wide = line + _line_ends(text), wide or not text.isascii()
    file.seek(0)
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """All of the file, and with the last part, which is empty, that it is the last."""
    while chunk := file.read(_CHUNK):
        yield chunk, False
    yield b"", True


def _line_ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _declared(charset: str | None) -> str | None:
    if charset is None:
        return None
    try:
        return _DECLARABLE[codecs.lookup(charset).name]
    except (LookupError, ValueError):
        raise InvalidFile(
            "The charset in the Content-Type is not known here. Save the file as CSV in UTF-8."
        ) from None


def _refused(line: int, reason: str) -> InvalidFile:
    return InvalidFile(f"Line {line}: {reason}", line=line)


def _in_words(codec: str) -> str:
    return codec.removesuffix("-sig").upper().replace("CP125", "windows-125")
