"""Words by which a phone opts out of messages, or in again.

The English words are those that networks in North America require senders to honour (CTIA
Messaging Principles and Best Practices, §5.1.3). `docs/opt-out-words.md` lists them all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE")
OTHER_STOP_WORDS = {
    "French": ("ARRET", "ARRETER", "DESABONNER", "DESINSCRIRE"),
    "German": ("STOPP", "ABMELDEN", "ABBESTELLEN"),
    "Spanish": ("ALTO", "BAJA", "PARAR", "CANCELAR"),
    "Portuguese": ("SAIR", "DESCADASTRAR"),
    "Italian": ("ANNULLA", "DISISCRIVIMI"),
    "Dutch": ("AFMELDEN", "UITSCHRIJVEN"),
    "Danish, Norwegian": ("AFMELD", "AVMELD", "STOPP"),
    "Swedish": ("AVREGISTRERA",),
    "Finnish": ("LOPETA",),
    "Polish": ("REZYGNUJE", "WYPISZ"),
    "Turkish": ("DUR", "IPTAL"),
    "Swahili": ("ACHA", "SITISHA"),
    "Russian, Ukrainian": ("СТОП",),
    "Greek": ("ΣΤΟΠ",),
    "Hebrew": ("הסר",),
    "Arabic": ("توقف", "إيقاف"),
    "Chinese": ("退订", "退訂"),
}
START_WORDS = ("START", "UNSTOP")
YES_WORDS = ("YES",)

_POLITE = """
please pls plz thanks thank you thx ty now cheers bye goodbye sir madam regards best kind
merci svp s il vous plait danke bitte gracias por favor obrigado obrigada grazie dank je u
tak takk tack kiitos prosze dziekuje asante tafadhali
"""
POLITE_WORDS = frozenset(_POLITE.split())
_ALSO_ORDINARY = frozenset({"cancel", "end", "quit", "baja", "alto", "parar", "cancelar", "acha"})
"""Words that also begin ordinary answers, such as "Cancel - Monday"."""

LONGEST_TEXT = 320
"""Characters of a text that can consist of a keyword and a signature."""

_WORD = re.compile(r"[^\W_]+")
_BREAK = re.compile(r"\s+[-–—~]+\s*|[–—~.,;:!]+\s*|--+\s*")
_NAME = re.compile(r"[^\W\d_]+(?:[ .'’-]+[^\W\d_]+)*\.?").fullmatch
_DEVICE = re.compile(r"(sent|get outlook|envoye|gesendet|enviado|inviato|von mein)\b")
_MOST_NAMES, _MOST_JOINED = 4, 3


class Keyword(StrEnum):
    """What a phone asks for with a keyword."""

    STOP = "STOP"
    START = "START"
    YES = "YES"
    """Opts in again, unless it answers a question."""


class Keywords:
    """Recognises keywords. Case, punctuation and accents do not matter."""

    def __init__(self, own_stop_words: Iterable[str] = ()) -> None:
        """`own_stop_words`: the operator's, in addition to the default ones."""
        stop = [*STOP_WORDS, *(each for words in OTHER_STOP_WORDS.values() for each in words)]
        self._keywords = {_joined(word): Keyword.YES for word in YES_WORDS}
        self._keywords |= {_joined(word): Keyword.START for word in START_WORDS}
        self._keywords |= {_joined(word): Keyword.STOP for word in [*stop, *own_stop_words]}
        self._keywords.pop("", None)

    def match(self, text: str) -> Keyword | None:
        """The keyword that a text consists of, None if it says something else.

        STOP may be repeated, and followed by polite words or a signature. START and YES must be
        the whole text: an opt-out is not lifted by mistake.
        """
        alone = self._keywords.get(_joined(text)) if len(text) <= LONGEST_TEXT else None
        if alone is not None:
            return alone
        return Keyword.STOP if self._is_stop(text.strip()) else None

    def mentions_stop(self, text: str) -> bool:
        """Whether a text contains an opt-out word."""
        words = _words(text)
        return any(self._stop_length(words, at) for at in range(len(words)))

    def _is_stop(self, text: str) -> bool:
        if not 0 < len(text) <= LONGEST_TEXT:
            return False
        first, *more = [line for line in text.splitlines() if line.strip()]
        if self._is_polite_stop(first):
            return _is_polite(more) or _is_signature(more)
        end = _BREAK.search(first)
        if end is None or more or _joined(first[: end.start()]) in _ALSO_ORDINARY:
            return False
        return self._is_polite_stop(first[: end.start()]) and _is_name(first[end.end() :])

    def _is_polite_stop(self, text: str) -> bool:
        """Whether a line is opt-out words, then perhaps polite words, then perhaps a name."""
        words = _words(text)
        at = 0
        while length := self._stop_length(words, at):
            at += length
        polite = at
        while polite < len(words) and words[polite] in POLITE_WORDS:
            polite += 1
        if at == 0 or polite == len(words):
            return at > 0
        names = _WORD.findall(_composed(text))[polite:]
        return polite > at and _are_names(names)

    def _stop_length(self, words: Sequence[str], at: int) -> int:
        """How many words from there are an opt-out word ("opt out" are two), 0 if they are none."""
        for length in range(min(_MOST_JOINED, len(words) - at), 0, -1):
            if self._keywords.get("".join(words[at : at + length])) is Keyword.STOP:
                return length
        return 0


def _is_polite(lines: Sequence[str]) -> bool:
    return all(word in POLITE_WORDS for line in lines for word in _words(line))


def _is_signature(lines: Sequence[str]) -> bool:
    """Whether the lines below a keyword are a signature: a dash, a device, or a name."""
    first = lines[0].strip() if lines else ""
    if first.startswith(("--", "—", "-", "~")) or _DEVICE.match(_folded(first)):
        return True
    return all(map(_is_name, lines))


def _is_name(text: str) -> bool:
    """Whether a text is up to four capitalised words, as names are written."""
    composed = _composed(text).strip()
    return bool(_NAME(composed)) and _are_names(_WORD.findall(composed))


def _are_names(words: Collection[str]) -> bool:
    return 0 < len(words) <= _MOST_NAMES and all(
        word[0] != word[0].lower() or not word[0].isascii() for word in words
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(_folded(text))


def _joined(text: str) -> str:
    """The letters and digits of a text, without case and accents: "Opt-out!" is "optout"."""
    return "".join(_words(text))


def _folded(text: str) -> str:
    """The text in lower case, without accents and full-width forms."""
    return _composed(text).casefold()


def _composed(text: str) -> str:
    """The text without accents and full-width forms."""
    split = unicodedata.normalize("NFKD", text)
    return "".join(each for each in split if unicodedata.category(each) != "Mn")
