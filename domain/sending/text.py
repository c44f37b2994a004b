"""The encoding and the segments of a text, and which texts are rejected.

Source: 3GPP TS 23.038 §6.2.1 (default alphabet), §6.2.1.1 (extension table), §6.2.3 (UCS-2). If a
text has several segments, 6 octets of each are the header that joins them (3GPP TS 23.040
§9.2.3.24).
"""

from __future__ import annotations

import re
from enum import Enum

from domain.errors import InvalidText

MOST_SEGMENTS = 10

# Sixteen on each line, in the order of their codes. 0x1B is the escape to the extension table.
GSM7_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}


class Encoding(Enum):
    """How the characters of a text are encoded for the radio network."""

    GSM7 = "GSM7"
    UCS2 = "UCS2"

    @property
    def alone(self) -> int:
        """Units in the only segment of a short text: septets (GSM-7) or 16-bit units (UCS-2)."""
        return 160 if self is Encoding.GSM7 else 70

    @property
    def joined(self) -> int:
        """Units in each segment if there are several."""
        return 153 if self is Encoding.GSM7 else 67

    def capacity(self, segments: int) -> int:
        """Units in that many segments."""
        return self.alone if segments == 1 else self.joined * segments


_ONE_SEPTET = re.escape(GSM7_DEFAULT.replace("\x1b", ""))
_TWO_SEPTETS = re.escape("".join(GSM7_EXTENSION.values()))
_COSTLY = re.compile(f"[^{_ONE_SEPTET}{_TWO_SEPTETS}]")
_REFUSED = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# Characters of two units, and a mark for the first of the two.
_PAIRS = {
    Encoding.GSM7: (re.compile(f"[{_TWO_SEPTETS}]"), "\x1b"),
    Encoding.UCS2: (re.compile("[\U00010000-\U0010ffff]"), "\ud800"),
}


def check_text(text: str, *, most_segments: int = MOST_SEGMENTS) -> None:
    """Raises InvalidText if the text cannot be sent."""
    # A character has at least one unit: a much too long text is rejected without reading it.
    if len(text) > Encoding.GSM7.capacity(most_segments):
        raise InvalidText(_too_long(f"more than {most_segments}", most_segments))
    if not text.strip():
        raise InvalidText("The text is empty. Write something to send.")
    if refused := _REFUSED.search(text):
        raise InvalidText(_unsendable(refused[0], refused.start() + 1))
    segments = segments_of(text)
    if segments > most_segments:
        raise InvalidText(_too_long(str(segments), most_segments))


def encoding_of(text: str) -> Encoding:
    """GSM-7 if its alphabet has every character, else UCS-2."""
    return Encoding.UCS2 if _COSTLY.search(text) else Encoding.GSM7


def costly_characters(text: str) -> list[str]:
    """The characters that force UCS-2, each once, in order of appearance."""
    return list(dict.fromkeys(_COSTLY.findall(text)))


def segments_of(text: str) -> int:
    """How many segments the text has; 1 for an empty one.

    An escape pair or a surrogate pair is never split, so a segment may be one unit short.
    """
    encoding = encoding_of(text)
    paired, first = _PAIRS[encoding]
    units = paired.sub(f"{first}.", text)
    if len(units) <= encoding.alone:
        return 1
    segments = end = 0
    while end < len(units):
        end += encoding.joined
        if units[end - 1 : end] == first:
            end -= 1
        segments += 1
    return segments


def _too_long(segments: str, most_segments: int) -> str:
    most, most_costly = (encoding.capacity(most_segments) for encoding in Encoding)
    return (
        f"The text takes {segments} segments, and at most {most_segments} can be sent. Shorten it: "
        f"{most:,} characters fit, or {most_costly:,} if some are outside the GSM-7 alphabet."
    )


def _unsendable(character: str, position: int) -> str:
    if character == "\t":
        return f"Character {position} of the text is a tab. Write spaces instead."
    kind = "half of a character" if character >= "\ud800" else "a control character"
    return (
        f"Character {position} of the text is {kind} (U+{ord(character):04X}). "
        "Remove it: the only control characters that can be sent are line breaks."
    )
