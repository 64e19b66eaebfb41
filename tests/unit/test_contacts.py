"""Crisis contacts: every entry usable, the right one found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recommender.contacts import INTERNATIONAL, contact_for, load_contacts
from recommender.errors import DataError


def test_every_entry_says_whom_to_call() -> None:
    contacts = load_contacts()
    assert len(contacts) > 15
    for country, contact in contacts.items():
        assert country == INTERNATIONAL or re.fullmatch("[A-Z]{2}", country)
        assert contact.name
        assert contact.emergency
        assert contact.phone or contact.url
        assert contact.in_words().startswith(contact.name)


def test_the_first_known_country_counts() -> None:
    assert contact_for("us", "GB").country == "US"
    assert contact_for("XX", "GB").country == "GB"
    assert contact_for(None, " de ").country == "DE"
    assert contact_for(7, "").country == INTERNATIONAL


def test_a_file_that_lacks_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "contacts.toml"
    for text in ("[international", "[international]\nname = 'x'\nemergency = '1'\n[[country]]"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"contacts\.toml"):
            load_contacts(path)
        load_contacts.cache_clear()
