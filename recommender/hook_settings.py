"""Settings of what is called after a training."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_PREFIX = "whsec_"
_LEAST_SECRET = 16
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class HookSettings(BaseSettings):
    """Commands or addresses that are told how a training ended."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    on_success: str = Field(
        default="",
        description="Command, or http(s) address, that is told of each published training.",
    )
    on_failure: str = Field(
        default="",
        description="The same for a training that was held back, failed, or found another at work.",
    )
    hook_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="Time after which a hook is ended, attempts included, seconds."
    )
    hook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Key that messages to an address are signed with (16 bytes or more; after "
        "`whsec_` in base64); empty = unsigned.",
    )

    @field_validator("on_success", "on_failure")
    @classmethod
    def _can_be_called(cls, target: str) -> str:
        target = target.strip()
        if _ADDRESS.match(target):
            if not (is_address(target) and urlsplit(target).hostname):
                raise ValueError("an address must begin with http:// or https:// and name a host")
            return target
        try:
            shlex.split(target)
        except ValueError as error:
            raise ValueError(f"a command must be quoted as for a shell: {error}") from None
        return target

    @field_validator("hook_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if secret.get_secret_value() and len(secret_key(secret)) < _LEAST_SECRET:
            raise ValueError(f"must hold {_LEAST_SECRET} bytes or more")
        return secret


def is_address(target: str) -> bool:
    """Whether a hook is an address and not a command."""
    return target.startswith(("http://", "https://"))


def secret_key(secret: SecretStr) -> bytes:
    """The bytes to sign with; ValueError if what follows ``whsec_`` is not base64."""
    text = secret.get_secret_value()
    if not text.startswith(SECRET_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {SECRET_PREFIX} must be base64") from None
