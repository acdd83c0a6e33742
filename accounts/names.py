"""Rules of user names and e-mail addresses: when two are the same, which look alike, which nobody gets.

No database. docs/security.md says where each rule holds.
"""

from __future__ import annotations

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.lookalikes import AS_ASCII

PLACEHOLDERS = frozenset({"anonymous", "current", "me", "none", "null", "self", "undefined", "unknown"})
"""Words that stand for somebody else in paths, programs and logs: nobody's name."""

_OFFICES = frozenset(
    {
        *("admin", "administrator", "root", "superuser", "sysadmin", "system", "operator", "moderator"),
        *("gateway", "switcher", "support", "helpdesk", "security", "staff", "official", "owner"),
        *("webmaster", "postmaster", "hostmaster", "noreply", "vllm"),
    }
)
"""Words that speak for the service: for accounts that an administrator makes, not for newcomers."""

_RULING = frozenset({"admin", "administrator", "root", "superuser", "sysadmin"})
"""Those that nobody puts into a longer name either, such as `admin-team`."""

WRITTEN_TOGETHER = frozenset({"LATIN", "HANGUL", "CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "IDEOGRAPHIC"})
"""Scripts that Koreans, Japanese and Chinese mix within a name (UTS 39's "highly restrictive")."""

INVISIBLE = "\u115f\u1160\u3164\uffa0"
"""Fillers of Hangul syllables: letters to Unicode, nothing to the eye."""

_ASCII_LOOKALIKES = str.maketrans({"0": "o", "1": "l"})
_FIGURES_AS_LETTERS = str.maketrans({"3": "e", "4": "a", "5": "s", "7": "t", "8": "b"})


def fold(text: str) -> str:
    """The form in which names and e-mail addresses are compared: NFKC, case-folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def skeleton(name: str) -> str:
    """Equal for names that look alike, such as `admin`, `ADMIN`, `adm\u0131n` and one with a Cyrillic a."""
    plain = "".join(c for c in fold(name) if unicodedata.category(c) != "Mn" and c not in INVISIBLE)
    looks = plain.translate(AS_ASCII).translate(_ASCII_LOOKALIKES)
    return looks.replace("rn", "m").replace("vv", "w")


def check_name(name: str) -> None:
    """What holds for every new name. Raises ValidationError."""
    if not any(c.isalnum() for c in name):
        raise ValidationError(_("A user name needs a letter or a digit."))
    if any(c in INVISIBLE for c in unicodedata.normalize("NFKC", name)):
        raise ValidationError(_("A user name has no invisible characters."))
    if skeleton(name) in set(map(skeleton, PLACEHOLDERS)):
        raise ValidationError(_("This user name is reserved."))
    scripts = {_script(c) for c in unicodedata.normalize("NFKC", name) if c.isalpha()} - {"MODIFIER"}
    if len(scripts) > 1 and not scripts <= WRITTEN_TOGETHER:
        raise ValidationError(_("A user name is written in one script."))


def check_newcomers_name(name: str) -> None:
    """What holds for those who register themselves, besides. Raises ValidationError."""
    words = re.split(r"[\W_]+", fold(name))
    if _readings("".join(words)) & set(map(_read, _OFFICES)) or any(
        _readings(word) & set(map(_read, _RULING)) for word in words
    ):
        raise ValidationError(_("This user name is reserved."))


def check_address(address: str) -> None:
    """Raises ValidationError for a look-alike before the @, some of which Django takes for ASCII letters."""
    if not fold(address).rpartition("@")[0].isascii():
        raise ValidationError(_("Enter a valid e-mail address."))


def _script(character: str) -> str:
    return re.split(r"[ -]", unicodedata.name(character, "UNNAMED"), maxsplit=1)[0]


def _readings(word: str) -> set[str]:
    """What somebody reads who is in a hurry: `admin` in `4dm1n` and in `admin2024`."""
    return {_read(word), _read(word.rstrip("0123456789"))}


def _read(word: str) -> str:
    return skeleton(word).translate(_FIGURES_AS_LETTERS).replace("i", "l")
