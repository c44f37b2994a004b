"""The encoding of a text file: by its mark, by its declared charset, else by what fits.

A wrong guess would send gibberish, at a charge: a doubtful file is refused. Labels as in the WHATWG
Encoding Standard §4.2, by which ISO-8859-1 means windows-1252.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from domain.errors import InvalidFile

_CHUNK = 64 * 1024
_UTF_8, _WINDOWS_1252 = "utf-8", "cp1252"

# Byte order marks. The one of UTF-32 begins like the one of UTF-16: it is compared first.
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
    """The codec that can read the whole file. The file is then at its beginning.

    `declared`: the charset that came with the file; a mark in the file has priority. Raises
    InvalidFile if it is not text, or if no codec can read it.
    """
    file.seek(0)
    start = file.read(4)
    mark = next((codec for mark, codec in _MARKS if start.startswith(mark)), None)
    named = mark or _declared(declared)
    if named:
        if error_at := _first_error(file, named):
            raise _refused(error_at.line, f"this is not {_in_words(named)}, as declared.")
        return named
    error_at = _first_error(file, _UTF_8)
    if error_at is None:
        return _UTF_8
    # A file that begins in UTF-8 and continues in another encoding is damaged.
    if error_at.after_wide or _first_error(file, _WINDOWS_1252):
        raise _refused(error_at.line, "the encoding is unknown. Save the file as CSV in UTF-8.")
    return _WINDOWS_1252


@dataclass(frozen=True, slots=True)
class _DecodingError:
    """The first error of a codec in a file. `after_wide`: the text before it is not only ASCII."""

    line: int
    after_wide: bool


def _first_error(file: BinaryIO, codec: str) -> _DecodingError | None:
    """The first error; None if the codec can decode the file. Raises InvalidFile for a NUL."""
    decoder = codecs.getincrementaldecoder(codec)()
    line, wide = 1, False
    file.seek(0)
    for chunk, is_last in _chunks(file):
        try:
            text = decoder.decode(chunk, is_last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(error.encoding, "ignore")
            file.seek(0)
            return _DecodingError(line + _line_ends(before), wide or not before.isascii())
        if "\0" in text:
            raise _refused(
                line + _line_ends(text.partition("\0")[0]),
                "a NUL character: this is not text. Save the table as CSV in UTF-8.",
            )
        line, wide = line + _line_ends(text), wide or not text.isascii()
    file.seek(0)
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The parts of the file, and whether each is the last one, which is empty."""
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
            "The charset in the Content-Type is unknown. Save the file as CSV in UTF-8."
        ) from None


def _refused(line: int, reason: str) -> InvalidFile:
    return InvalidFile(f"Line {line}: {reason}", line=line)


def _in_words(codec: str) -> str:
    return codec.removesuffix("-sig").upper().replace("CP125", "windows-125")
