"""Tokens of an identity provider: what opens, what is refused, and how keys change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from asgi import TestClient
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx import Response
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import ValidationError

from api.app import create_app
from api.serving import refuse_open_door
from recommender.errors import SettingsError
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query

OWN, OTHER = "u0000002", "u0000003"
ISSUER, AUDIENCE = "https://id.example.org/", "recommender"
SECRET = "marker-of-a-secret"
PROFILE = f"/v1/users/{OWN}"

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)
SIGNERS: dict[str, tuple[str, Any]] = {
    "rsa-1": ("RS256", RSA),
    "ec-1": ("ES256", EC),
    "ed-1": ("EdDSA", ED),
}


def jwk(key_id: str) -> dict[str, Any]:
    name, private = SIGNERS[key_id]
    kinds: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
    return {**kinds[name].to_jwk(private.public_key(), as_dict=True), "kid": key_id, "alg": name}


def published(*key_ids: str) -> str:
    return json.dumps({"keys": [jwk(key_id) for key_id in key_ids]})


def token(key_id: str | None = "rsa-1", *, signer: Any = None, **changes: Any) -> str:
    name, private = signer or SIGNERS[key_id or "rsa-1"]
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": OWN, "exp": time.time() + 60,
        "scope": "openid recommender:read recommender:write", **changes,
    }  # fmt: skip
    kept = {claim: value for claim, value in claims.items() if value is not None}
    return jwt.encode(kept, private, algorithm=name, headers={"kid": key_id} if key_id else None)


def by(bearer: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"}


def settings_for(url: str, jwks: str | Path, **more: Any) -> Settings:
    return Settings(
        database_url=url, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks=str(jwks), **more
    )


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(published(*SIGNERS))
    return path


@pytest.fixture
def client(trained_sqlite_url: str, jwks: Path) -> Iterator[TestClient]:
    app = create_app(settings_for(trained_sqlite_url, jwks, jwt_leeway=5), trust_seconds=0)
    with TestClient(app) as opened:
        yield opened


def is_refused(answer: Response, word: str, sent: str) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert word in answer.json()["detail"]
    assert not any(piece in answer.text for piece in (SECRET, sent, *sent.split(".")) if piece)


@pytest.mark.parametrize("key_id", SIGNERS)
def test_a_good_token_reaches_its_own_person_only(client: TestClient, key_id: str) -> None:
    key = by(token(key_id))
    assert client.get(PROFILE, headers=key).status_code == 200
    assert client.get(f"{PROFILE}/recommendations", headers=key).status_code == 200
    assert client.get(f"{PROFILE}/export", headers=key).status_code == 200
    for path in ("", "/recommendations", "/export"):
        assert client.get(f"/v1/users/{OTHER}{path}", headers=key).status_code == 403
    assert client.post(f"/v1/users/{OTHER}/rank", json={}, headers=key).status_code == 403
    assert client.patch(f"/v1/users/{OTHER}", json={}, headers=key).status_code == 403
    assert client.delete(f"/v1/users/{OTHER}", headers=key).status_code == 403
    assert client.post("/v1/users", json={"user_id": OTHER}, headers=key).status_code == 403
    assert client.get("/v1/runs", headers=key).status_code == 403


def changed(part: int, bearer: str) -> str:
    parts = bearer.split(".")
    parts[part] = parts[part][:-8] + ("A" * 8 if parts[part][-8:] != "A" * 8 else "B" * 8)
    return ".".join(parts)


PUBLIC_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed_with_the_public_key() -> str:
    """HS256 with the public key as its secret; jwt.encode itself refuses to make one."""

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    claims = json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": OWN, "exp": time.time() + 60})
    head = json.dumps({"alg": "HS256", "kid": "rsa-1", "typ": "JWT"})
    body = f"{part(head.encode())}.{part(claims.encode())}"
    return f"{body}.{part(hmac.new(PUBLIC_PEM, body.encode(), hashlib.sha256).digest())}"


NONE = ("none", None)
BAD: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: token(exp=time.time() - 60), "expired"),
    "not yet": (lambda: token(nbf=time.time() + 60), "not valid yet"),
    "no end": (lambda: token(exp=None), "lacks a claim"),
    "no issuer": (lambda: token(iss=None), "lacks a claim"),
    "no audience": (lambda: token(aud=None), "lacks a claim"),
    "other issuer": (lambda: token(iss=f"https://{SECRET}"), "another issuer"),
    "other audience": (lambda: token(aud=SECRET), "another audience"),
    "alg none": (lambda: token(signer=NONE), "not taken"),
    "HS256 with the public key": (signed_with_the_public_key, "not taken"),
    "HS256": (lambda: token(signer=("HS256", "s" * 32)), "not taken"),
    "algorithm not listed": (lambda: token(signer=("RS512", RSA)), "not taken"),
    "other key, known name": (lambda: token(signer=("RS256", STRANGER)), "signature"),
    "key of another kind": (lambda: token("ec-1", signer=("RS256", RSA)), ""),
    "unknown key": (lambda: token(SECRET, signer=("RS256", STRANGER)), "not known"),
    "no key named": (lambda: token(None), "kid"),
    "changed claims": (lambda: changed(1, token()), ""),
    "changed signature": (lambda: changed(2, token()), "signature"),
    "no signature": (lambda: token().rpartition(".")[0] + ".", ""),
    "no person": (lambda: token(sub=None), "whom it may reach"),
    "person with a control character": (lambda: token(sub="a\x1fb"), "whom it may reach"),
    "person with white space behind": (lambda: token(sub=f"{OWN} "), "whom it may reach"),
    "person with a hard space": (lambda: token(sub=f"\u00a0{OWN}"), "whom it may reach"),
    "too long": (lambda: token(more="x" * 20_000), "too long"),
    "nonsense": (lambda: f"{SECRET}.{SECRET}.{SECRET}", ""),
    "dots": (lambda: "...", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_and_not_quoted(client: TestClient, name: str) -> None:
    make, word = BAD[name]
    bad = make()
    is_refused(client.get(PROFILE, headers=by(bad)), word, bad)


def test_clocks_may_differ_a_little(client: TestClient) -> None:
    assert client.get(PROFILE, headers=by(token(exp=time.time() - 2))).status_code == 200


def test_scopes_are_those_of_the_claim(client: TestClient) -> None:
    for scope, reads, writes in (
        (None, 403, 403),
        ("", 403, 403),
        ("openid read admin", 403, 403),
        (["recommender:read"], 200, 403),
        ("recommender:write", 403, 200),
        ({"recommender:read": 1}, 403, 403),
        (7, 403, 403),
    ):
        key = by(token(scope=scope))
        assert client.get(PROFILE, headers=key).status_code == reads, scope
        assert client.patch(PROFILE, json={}, headers=key).status_code == writes, scope


def test_only_who_says_so_reaches_everyone(client: TestClient, trained_sqlite_url: str) -> None:
    key = by(token(sub="dr-who", scope="recommender:read recommender:everyone"))
    for person in (OWN, OTHER):
        answer = client.get(f"/v1/users/{person}", headers={**key, "X-Purpose": "visit"})
        assert answer.status_code == 200
    assert client.get(f"/v1/users/{OWN}/export", headers=key).status_code == 403
    assert client.get(PROFILE, headers=by(token())).status_code == 200
    engine = connect(trained_sqlite_url)
    with reading(engine) as connection:
        rows = run_query(
            connection, "SELECT user_id, key_id, caller, purpose FROM access_log ORDER BY access_id"
        )[1]
    engine.dispose()
    assert rows == [
        (OWN, None, "dr-who", "visit"),
        (OTHER, None, "dr-who", "visit"),
        (OWN, None, "self", None),
    ]


def test_claims_can_have_other_names(trained_sqlite_url: str, jwks: Path) -> None:
    chosen = settings_for(
        trained_sqlite_url, jwks, jwt_user_claim="patient", jwt_scope_claim="scp",
        jwt_read_scope="look", jwt_algorithms="ES256",
    )  # fmt: skip
    with TestClient(create_app(chosen)) as client:
        good = {"patient": OWN, "scp": ["look"], "sub": "x", "scope": None}
        assert client.get(PROFILE, headers=by(token("ec-1", **good))).status_code == 200
        nobody = token("ec-1", **good | {"patient": None})
        is_refused(client.get(PROFILE, headers=by(nobody)), "whom", nobody)
        rsa_signed = token("rsa-1", **good)
        is_refused(client.get(PROFILE, headers=by(rsa_signed)), "not taken", rsa_signed)


def test_with_tokens_no_one_is_answered_without_any(client: TestClient) -> None:
    assert client.get(PROFILE).status_code == 401
    assert client.get(PROFILE, headers=by("rk_nothing")).status_code == 401


def test_without_the_setting_a_token_is_no_key(trained_sqlite_url: str) -> None:
    with TestClient(create_app(Settings(database_url=trained_sqlite_url))) as client:
        assert client.get(PROFILE, headers=by(token())).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        {"jwt_issuer": ISSUER},
        {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE},
        {"jwt_jwks": "keys.json"},
        {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks": "http://id.example.org/k"},
        {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks": "ftp://127.0.0.1/k"},
        {"jwt_algorithms": "none"},
        {"jwt_algorithms": "RS256 HS256"},
        {"jwt_algorithms": ""},
    ],
)
def test_settings_that_would_open_the_door_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)


def test_a_server_that_takes_tokens_may_be_reached_by_others(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    refuse_open_door(engine, "0.0.0.0", tokens=True)
    with pytest.raises(SettingsError):
        refuse_open_door(engine, "0.0.0.0")
    engine.dispose()
