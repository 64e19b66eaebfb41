"""How many years of school a text asks of its reader, by the Flesch-Kincaid formula.

A counter of our own: the libraries that compute it bring dictionaries to download.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"[.!?]+")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT_END = re.compile(r"(?<=[^aeiouy])(?:e|es|ed)$")
_SPOKEN_END = re.compile(r"(?:[^aeiouy]le|[^aeiouy]les|ted|ded|[scxz]es|ges|shes|ches)$")


def grade(text: str) -> float:
    """US school grade of an English text; 8 is read by most adults, 0 is a text without words.

    ``0.39 * words / sentences + 11.8 * syllables / words - 15.59`` (Kincaid and others 1975);
    syllables are estimated from the spelling.

    >>> round(grade("The cat sat on the mat."), 1)
    -1.4
    >>> round(grade("Cardiovascular rehabilitation necessitates interdisciplinary care."), 1) > 20
    True
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len([part for part in _SENTENCE_END.split(text) if _WORD.search(part)]))
    spoken = sum(map(syllables, words))
    return 0.39 * len(words) / sentences + 11.8 * spoken / len(words) - 15.59


def syllables(word: str) -> int:
    """Estimate the syllables of an English word; at least one.

    >>> [syllables(word) for word in ("walk", "take", "table", "minutes", "vegetables", "tasted")]
    [1, 1, 2, 2, 4, 2]
    """
    lower = word.lower()
    if not _SPOKEN_END.search(lower):
        lower = _SILENT_END.sub("", lower)
    return max(1, len(_VOWELS.findall(lower)))
