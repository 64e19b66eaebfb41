"""Bearer tokens of an identity provider: signed JWTs (RFC 7519), checked the strict way.

What is asked of a token follows RFC 8725: algorithms are ours to choose, never the token's;
issuer, audience and end are required; the key is one that the provider publishes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from fastapi import HTTPException
from jwt import exceptions as flaws
from starlette.concurrency import run_in_threadpool

from recommender.errors import IdentityProviderError
from recommender.intake.fields import is_kept_as_it_is
from recommender.settings import TokenSettings

from .jwks import KeySet, key_reader

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="recommender"'}
_BAD_TOKEN = {"WWW-Authenticate": 'Bearer realm="recommender", error="invalid_token"'}
_LONGEST_TOKEN = 16_384
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (flaws.ExpiredSignatureError, "the token has expired"),
    (flaws.ImmatureSignatureError, "the token is not valid yet"),
    (flaws.InvalidIssuerError, "the token comes from another issuer"),
    (flaws.InvalidAudienceError, "the token is for another audience"),
    (flaws.MissingRequiredClaimError, "the token lacks a claim: exp, iss and aud are needed"),
    (flaws.InvalidAlgorithmError, "the token is signed in a way that is not taken"),
    (flaws.InvalidSignatureError, "the token's signature is wrong"),
)
"""What is wrong -> what is said of it: never anything that stands in the token."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token says its bearer is.

    Attributes
    ----------
    scopes
        Any of ``read``, ``write``, ``admin``.
    user_id
        The only person it reaches; None for everyone.
    """

    subject: str | None
    scopes: frozenset[str]
    user_id: str | None


def tokens_of(settings: TokenSettings) -> Tokens | None:
    """What checks tokens, or None if the settings take none.  Reads nothing yet."""
    if not settings.tokens_taken:
        return None
    read = key_reader(settings.jwt_jwks or "", settings.jwt_jwks_timeout)
    return Tokens(settings, KeySet(read, settings.jwt_jwks_seconds))


class Tokens:
    """Checks tokens."""

    def __init__(self, settings: TokenSettings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys
        self._algorithms = re.split("[ ,]+", settings.jwt_algorithms)
        self._scopes = {
            settings.jwt_read_scope: "read",
            settings.jwt_write_scope: "write",
            settings.jwt_admin_scope: "admin",
        }

    async def bearer(self, token: str) -> Bearer:
        """Who bears a token; waits for the provider, beside the event loop, if a key is new.

        Raises
        ------
        HTTPException
            401 with the reason, which quotes nothing of the token.
        IdentityProviderError
            There are no keys to check it with.
        """
        key_id = _key_id(token)
        if self._keys.is_due(key_id):
            await run_in_threadpool(self._keys.look)
        return self._bearer(self._claims(token, key_id))

    def _claims(self, token: str, key_id: str) -> Mapping[str, Any]:
        key = self._keys.find(key_id)
        if key is None and not self._keys.usable:
            raise IdentityProviderError("the identity provider's keys can't be read; try later")
        if key is None:
            raise _refused("the token is signed with a key that is not known")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(_why(error)) from None
        return claims

    def _bearer(self, claims: Mapping[str, Any]) -> Bearer:
        granted = _words(claims.get(self._settings.jwt_scope_claim))
        subject = claims.get("sub")
        user_id = None
        # Bound unless it says otherwise: a claim that someone forgot must not open every record.
        if self._settings.jwt_everyone_scope not in granted:
            user_id = claims.get(self._settings.jwt_user_claim)
            if not isinstance(user_id, str) or not is_kept_as_it_is(user_id):
                raise _refused("the token does not say whom it may reach")
        scopes = frozenset(self._scopes[word] for word in granted if word in self._scopes)
        return Bearer(subject[:200] if isinstance(subject, str) else None, scopes, user_id)


def _key_id(token: str) -> str:
    if len(token) > _LONGEST_TOKEN:
        raise _refused("the token is too long")
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused(_why(error)) from None
    if not isinstance(key_id, str):
        raise _refused("the token does not name its key (kid)")
    return key_id


def _words(claim: Any) -> frozenset[str]:
    words = claim.split() if isinstance(claim, str) else claim
    return (
        frozenset(w for w in words if isinstance(w, str))
        if isinstance(words, list)
        else frozenset()
    )


def _why(error: Exception) -> str:
    return next((words for kind, words in _REASONS if isinstance(error, kind)), "not a good token")


def _refused(why: str) -> HTTPException:
    return HTTPException(401, why, _BAD_TOKEN)
