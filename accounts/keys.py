"""The form of an API key: `sk-gw-<prefix>-<secret><check>`. Pure functions, no database.

- prefix: 8 characters, stored in the clear; a key is found and recognised by it.
- secret: 36 random characters of 62, 214 bits.
- check: 6 characters that only this gateway can compute, so that made-up keys are refused without a query.

A key is stored as an HMAC-SHA256. A slow hash would add nothing to 214 random bits, and would cost as much
as a whole chat request; the key of the HMAC keeps a stolen database from telling which keys are right.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
from dataclasses import dataclass
from functools import cache

from django.conf import settings

from gateway.conf import get_config

DISPLAY_START = "sk-gw-"
PREFIX_LENGTH = 8
SECRET_LENGTH = 36
CHECK_LENGTH = 6
ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(
    rf"sk-gw-([A-Za-z0-9]{{{PREFIX_LENGTH}}})-[A-Za-z0-9]{{{SECRET_LENGTH}}}([A-Za-z0-9]{{{CHECK_LENGTH}}})",
    re.ASCII,
)


@dataclass(frozen=True)
class NewKey:
    key: str
    """Shown to its owner once, then forgotten."""
    prefix: str
    digest: str

    def __repr__(self) -> str:
        return f"NewKey({self.prefix})"


def make_key() -> NewKey:
    prefix, secret = _random(PREFIX_LENGTH), _random(SECRET_LENGTH)
    body = f"{DISPLAY_START}{prefix}-{secret}"
    key = body + _check_of(body)
    return NewKey(key, prefix, digest_of(key))


def looks_like_key(credential: str) -> bool:
    """True when this is meant as an API key (and not as a JWT), whether or not it is one."""
    return credential.startswith("sk-")


def prefix_of(key: str) -> str | None:
    """The prefix of a key that this gateway made; None for any other text."""
    form = FORM.fullmatch(key)
    if form is None or not hmac.compare_digest(_check_of(key[:-CHECK_LENGTH]), form[2]):
        return None
    return form[1]


def digest_of(key: str) -> str:
    """What is stored of a key."""
    return hmac.digest(_secret("digest"), key.encode(), "sha256").hex()


def is_digest_of(key: str, digest: str) -> bool:
    """Whether `digest` was made of `key`, in constant time."""
    return hmac.compare_digest(digest_of(key), digest)


def _check_of(body: str) -> str:
    number = int.from_bytes(hmac.digest(_secret("check"), body.encode(), "sha256")[:8], "big")
    characters = []
    for _ in range(CHECK_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


@cache
def _secret(purpose: str) -> bytes:
    master = get_config().api_key_secret or settings.SECRET_KEY
    return hmac.digest(master.encode(), f"gateway api keys, {purpose}".encode(), "sha256")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
