"""Codes of ICD-10 and SNOMED CT -> names of the condition vocabulary."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache

from recommender.resources import data_path

_ICD10 = re.compile(
    r"(?:(?:icd[-_ ]?10|https?://[^|]*icd-?10)[^:|]*[:|]\s*)?([a-z]\d[0-9a-z](?:\.?[0-9a-z]{1,4})?)",
    re.I,
)
_SNOMED = re.compile(
    r"(?:(?:(?:snomed|sct)[^:|]*|https?://snomed\.info/sct)[:|]\s*)?(\d{6,18})", re.I
)
_SHORTEST_PREFIX = 3


@cache
def conditions_of_code(text: str) -> tuple[str, ...]:
    """Names of the conditions that a code means, sorted; empty if it is no code or unknown.

    ICD-10 codes are found by any of their prefixes that is listed, so that a finer code, or one
    without its dot, means the same and ``I11.0`` means two.

    >>> conditions_of_code("E11.9"), conditions_of_code("icd10:i110")
    (('type_2_diabetes',), ('heart_failure', 'hypertension'))
    >>> conditions_of_code("http://snomed.info/sct|38341003"), conditions_of_code("knee pain")
    (('hypertension',), ())
    """
    spelled = text.strip()
    if match := _SNOMED.fullmatch(spelled):
        return _listed("snomed").get(match[1], ())
    if match := _ICD10.fullmatch(spelled):
        code, known = match[1].upper().replace(".", ""), _listed("icd10")
        prefixes = (code[:end] for end in range(_SHORTEST_PREFIX, len(code) + 1))
        return tuple(sorted({name for prefix in prefixes for name in known.get(prefix, ())}))
    return ()


@cache
def _listed(system: str) -> Mapping[str, tuple[str, ...]]:
    """Code without its dot -> the conditions that list it."""
    document = tomllib.loads(data_path("conditions.toml").read_text(encoding="utf-8"))
    found: dict[str, tuple[str, ...]] = {}
    for entry in document["condition"]:
        for code in entry.get(system, []):
            bare = code.replace(".", "")
            found[bare] = (*found.get(bare, ()), entry["name"])
    return found
