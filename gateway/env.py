"""Typed reading of environment values; every error names the variable that is wrong."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import environ

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
MOST_AUTO_PROCESSES, MOST_PROCESSES = 4, 64


class ConfigurationError(Exception):
    """A setting is missing or malformed. The message starts with the variable's name."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def load_dotenvs(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment over the file `path` with `.local` at the end of its name, and that over `path`."""
    return load_dotenv(path, load_dotenv(path.with_name(f"{path.name}.local"), environment))


def load_dotenv(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with `path`'s lines added beneath it: what is really set wins over the file.

    A really set NAME_FILE counts as NAME being set.
    """
    if not path.is_file():
        return dict(environment)
    from_file: dict[str, str] = {}
    # read_env is a class method and writes to its class's ENVIRON, which is os.environ itself.
    reader: Any = type("DotenvReader", (environ.Env,), {"ENVIRON": from_file})
    reader.read_env(str(path))
    beneath = {name: value for name, value in from_file.items() if not environment.get(f"{name}_FILE")}
    return beneath | dict(environment)


def read_value(environment: Mapping[str, str], name: str) -> str | None:
    """NAME, or the content of the file that NAME_FILE points to; None when neither says anything.

    An empty value counts as unset, so that `NAME=` in a compose file means "the default".
    """
    if value := environment.get(name, "").strip():
        return value
    path = environment.get(f"{name}_FILE", "").strip()
    if not path:
        return None
    try:
        return Path(path).read_text().strip() or None
    except OSError as exc:
        raise ConfigurationError(f"{name}_FILE", f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{name}_FILE", f"{path} is not UTF-8 text") from exc


def parse_text(name: str, raw: str) -> str:
    return raw


def parse_boolean(name: str, raw: str) -> bool:
    word = raw.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ConfigurationError(name, f"expected true or false, got {raw!r}")


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[str, str], int]:
    """A parser of whole numbers in minimum..maximum, both included."""
    wanted = f"≥ {minimum}" if maximum is None else f"from {minimum} to {maximum}"

    def parse(name: str, raw: str) -> int:
        try:
            value = int(raw)
        except ValueError as exc:
            raise ConfigurationError(name, f"expected a whole number {wanted}, got {raw!r}") from exc
        if value < minimum or (maximum is not None and value > maximum):
            raise ConfigurationError(name, f"expected a whole number {wanted}, got {value}")
        return value

    return parse


def parse_process_count(name: str, raw: str) -> int:
    """A number of processes. `auto`: one for each core, up to MOST_AUTO_PROCESSES."""
    if raw.strip().lower() == "auto":
        return min(MOST_AUTO_PROCESSES, count_cores())
    return whole_number(1, MOST_PROCESSES)(name, raw)


def count_cores() -> int:
    """The cores that this process may use. A container's bound on CPU time is not among what says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds(minimum: float) -> Callable[[str, str], float]:
    """A parser of durations in seconds, fractions allowed."""

    def parse(name: str, raw: str) -> float:
        try:
            value = float(raw)
        except ValueError as exc:
            raise ConfigurationError(name, f"expected seconds, got {raw!r}") from exc
        if not minimum <= value < float("inf"):
            raise ConfigurationError(name, f"expected at least {minimum:g} seconds, got {raw}")
        return value

    return parse


def one_of(*choices: str) -> Callable[[str, str], str]:
    def parse(name: str, raw: str) -> str:
        for choice in choices:
            if raw.upper() == choice.upper():
                return choice
        raise ConfigurationError(name, f"expected one of {', '.join(choices)}, got {raw!r}")

    return parse


JSON_LIST = re.compile(r'\[\s*["\]]')
"""How a list in JSON begins; an IPv6 address in brackets begins otherwise."""


def parse_names(name: str, raw: str) -> tuple[str, ...]:
    """Words as a list in JSON, or separated by commas; blanks around and between them are dropped."""
    words: Any = raw.split(",")
    if JSON_LIST.match(raw):
        try:
            words = json.loads(raw)
        except ValueError as exc:
            raise ConfigurationError(name, f"is not a list in JSON: {exc}") from exc
        if not all(isinstance(word, str) for word in words):
            raise ConfigurationError(name, "expected a list of strings in JSON")
    return tuple(word for part in words if (word := part.strip()))


def parse_labels(name: str, raw: str) -> tuple[tuple[str, str], ...]:
    """`KEY=VALUE` pairs, separated as `parse_names` has them; a value may be empty."""
    pairs = [word.partition("=") for word in parse_names(name, raw)]
    if not all(key and is_set for key, is_set, _ in pairs):
        raise ConfigurationError(name, "expected KEY=VALUE, separated by commas")
    return tuple((key.strip(), value.strip()) for key, _, value in pairs)


def parse_json_object(name: str, raw: str) -> str:
    """The text of an object in JSON."""
    try:
        value = json.loads(raw)
    except ValueError as exc:
        raise ConfigurationError(name, f"is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise ConfigurationError(name, "expected an object in JSON")
    return raw


def some_of(*choices: str) -> Callable[[str, str], tuple[str, ...]]:
    """A parser of comma-separated words, each one of `choices`."""

    def parse(name: str, raw: str) -> tuple[str, ...]:
        words = parse_names(name, raw)
        for word in words:
            if word not in choices:
                raise ConfigurationError(name, f"expected some of {', '.join(choices)}, got {word!r}")
        return words

    return parse


def url_with_scheme(*schemes: str) -> Callable[[str, str], str]:
    """A parser of URLs; a trailing slash is dropped. The value is not echoed: it may hold a password."""

    def parse(name: str, raw: str) -> str:
        try:
            parts = urlsplit(raw)
        except ValueError as exc:
            raise ConfigurationError(name, "is not a URL") from exc
        if parts.scheme not in schemes:
            raise ConfigurationError(name, f"expected a URL that starts with {', '.join(schemes)}://")
        if parts.scheme in {"http", "https"} and not parts.hostname:
            raise ConfigurationError(name, "names no host")
        return raw.rstrip("/")

    return parse


def url_with_password(*schemes: str) -> Callable[[str, str], str]:
    """The same for URLs of stores, in which an unescaped password would be taken for host, port or path."""
    parse_url = url_with_scheme(*schemes)

    def parse(name: str, raw: str) -> str:
        url = parse_url(name, raw)
        parts = urlsplit(url)
        if parts.scheme not in _WITHOUT_HOST and not _is_unambiguous(parts):
            # Neither the value nor urlsplit's own words, which repeat a part of the password.
            raise ConfigurationError(
                name,
                "cannot be read: within a URL, characters such as / : @ # ? % of a password are written "
                "percent-encoded (for PostgreSQL, POSTGRES_PASSWORD takes it as it is)",
            ) from None
        return url

    return parse


_WITHOUT_HOST = frozenset({"sqlite", "unix"})


def _is_unambiguous(parts: SplitResult) -> bool:
    try:
        has_port = parts.port != 0
    except ValueError:
        return False
    rest = f"{parts.path}{parts.query}{parts.fragment}"
    password = parts.password or ""
    is_encoded = len(re.findall(r"%[0-9A-Fa-f]{2}", password)) == password.count("%")
    return has_port and "@" not in rest and is_encoded and parts.path.count("/") <= 1


DRIVER = re.compile(r"^(postgres|postgresql|sqlite)\+\w+(?=:)")


def parse_database_url(name: str, raw: str) -> str:
    """A database's URL. A driver, which SQLAlchemy wants in the scheme, is dropped: Django has its own.

    asyncpg's option `ssl` becomes libpq's `sslmode`.
    """
    url = url_with_password("postgres", "postgresql", "sqlite")(name, DRIVER.sub(r"\1", raw))
    base, _, query = url.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not base.startswith("postgres") or "ssl" not in options:
        return url
    ssl = options.pop("ssl")
    mode = {"true": "require", "false": "disable"}.get(ssl.lower(), ssl)
    return f"{base}?{urlencode({'sslmode': mode} | options)}"


def parse_origins(name: str, raw: str) -> tuple[str, ...]:
    """Web origins as browsers send them: scheme://host[:port], or a single `*`."""
    origins = parse_names(name, raw)
    if origins == ("*",):
        return origins
    for origin in origins:
        try:
            parts = urlsplit(origin)
        except ValueError as exc:
            raise ConfigurationError(name, f"{origin!r} is not an origin") from exc
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
            raise ConfigurationError(name, f"expected origins like https://chat.example.com, got {origin!r}")
    return origins


def parse_base_path(name: str, raw: str) -> str:
    """A path such as `/gateway`, without a slash at its end; `/` is the empty one."""
    path = raw.rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[\w.~-]+)*", path, re.ASCII):
        raise ConfigurationError(name, f"expected a path like /gateway, got {raw!r}")
    return path


def parse_currency(name: str, raw: str) -> str:
    """The code of a currency by ISO 4217, such as `USD`."""
    if not re.fullmatch(r"[A-Z]{3}", raw):
        raise ConfigurationError(name, "expected a currency's code of three capitals, such as USD")
    return raw


def parse_networks(name: str, raw: str) -> tuple[str, ...]:
    networks = parse_names(name, raw)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as exc:
            raise ConfigurationError(name, f"expected networks like 10.0.0.0/8, got {network!r}") from exc
    return networks


LOGIN_RATE = re.compile(r"\d+/([1-9]\d*)?[smhd]")


def parse_rate(name: str, raw: str) -> str:
    """django-ratelimit's notation: attempts per second, minute, hour or day, or a multiple of it."""
    if not LOGIN_RATE.fullmatch(raw):
        raise ConfigurationError(name, f"expected a rate like 10/m or 5/30s, got {raw!r}")
    return raw


def parse_engine_url(name: str, raw: str) -> str:
    """The engine's root URL; the `/v1` that OpenAI clients want at its end may be there or not."""
    return url_with_scheme("http", "https")(name, raw).removesuffix("/v1")


SECRETS = frozenset(
    {
        *("SECRET_KEY", "JWT_SECRET", "DATABASE_URL", "REDIS_URL", "VLLM_API_KEY", "HF_TOKEN"),
        *("ALERT_WEBHOOK_URL", "RAY_DASHBOARD_TOKEN"),
        *("API_KEY_SECRET", "POSTGRES_PASSWORD", "OIDC_CLIENT_SECRET"),
        *("GATEWAY_ADMIN_PASSWORD", "GATEWAY_USER_PASSWORD"),
    }
)
"""Never printed."""


def setting(name: str, default: Any, help_text: str, parse: Callable[[str, str], Any] = parse_text) -> Any:
    """A dataclass field that is read from the environment variable `name`."""
    metadata = {"name": name, "help": help_text, "parse": parse}
    return field(default=default, metadata=metadata, repr=name not in SECRETS)
