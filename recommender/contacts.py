"""Crisis contacts by country, for the alerts that outrank every other."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from recommender.domain import Contact
from recommender.errors import DataError
from recommender.resources import data_path

INTERNATIONAL = ""
"""Stands for every country that the file does not list."""


@cache
def load_contacts(path: Path | None = None) -> Mapping[str, Contact]:
    """Read the contacts: country code (``INTERNATIONAL`` for any other) -> whom to turn to.

    Raises
    ------
    DataError
        The file can't be read or an entry lacks something.
    """
    source = path or data_path("crisis_contacts.toml")
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
        anywhere = {INTERNATIONAL: _contact(INTERNATIONAL, document["international"])}
        listed = {entry["code"]: _contact(entry["code"], entry) for entry in document["country"]}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{source.name}: {error}") from error
    except KeyError as error:
        raise DataError(f"{source.name}: an entry lacks {error}") from error
    return anywhere | listed


def contact_for(*countries: object) -> Contact:
    """Return the contact of the first of these that is a listed country code, in any case."""
    contacts = load_contacts()
    codes = (country.strip().upper() for country in countries if isinstance(country, str))
    return next((contacts[code] for code in codes if code in contacts), contacts[INTERNATIONAL])


def _contact(country: str, entry: Mapping[str, Any]) -> Contact:
    phone = entry["phone"] if country else ""
    return Contact(country, entry["name"], phone, entry.get("url", ""), entry["emergency"])
