"""The gateway's settings as one frozen value, read once from the environment.

Each field says which variable it comes from, how it is parsed and what it is for; the settings
table in docs/settings.md is compared with these fields in the test run.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.conf_accounts import AccountConfig
from gateway.conf_conversations import ConversationConfig
from gateway.conf_engines import EngineConfig
from gateway.conf_requests import RequestConfig
from gateway.conf_sign_in import SignInConfig
from gateway.env import (
    SECRETS,
    ConfigurationError,
    load_dotenvs,
    one_of,
    parse_boolean,
    parse_database_url,
    parse_engine_url,
    parse_names,
    parse_networks,
    parse_origins,
    parse_process_count,
    parse_rate,
    read_value,
    seconds,
    setting,
    url_with_password,
    whole_number,
)
from gateway.secrets import load_or_create_secrets

BASE_DIR = Path(__file__).resolve().parent.parent
MINIMUM_SECRET_BYTES = 32
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
VLLM_DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True)
class GatewayConfig(AccountConfig, SignInConfig, ConversationConfig, EngineConfig, RequestConfig):
    """Everything an operator can set. Times are in seconds, sizes in bytes."""

    # What a deployment sets first
    debug: bool = setting("DEBUG", False, "Development mode: /docs, /schema and tracebacks.", parse_boolean)
    secret_key: str = setting(
        "SECRET_KEY",
        "",
        "Signs sessions and CSRF tokens; at least 32 bytes. Empty means one that is derived from JWT_SECRET.",
    )
    database_url: str = setting(
        "DATABASE_URL",
        "",
        "postgres://user:password@host:port/name; empty means SQLite in the data folder.",
        parse_database_url,
    )
    postgres_password: str = setting(
        "POSTGRES_PASSWORD", "", "Password of the database, as it is, where DATABASE_URL holds none."
    )
    database_timeout_s: float = setting(
        "DATABASE_TIMEOUT",
        10.0,
        "Longest wait for the database, in seconds; then a request gets 503.",
        seconds(1),
    )
    database_prepares: bool = setting(
        "DATABASE_PREPARED_STATEMENTS",
        True,
        "Whether PostgreSQL keeps statements that come often prepared. Turn it off behind a PgBouncer older "
        "than 1.21 whose pools are by transaction.",
        parse_boolean,
    )
    database_comments: bool = setting(
        "DATABASE_COMMENTS",
        False,
        "Whether statements carry the id of their request as a comment, for the database's own log. Those of "
        "chats, which are written for many requests at once, do not. None with a comment is kept prepared.",
        parse_boolean,
    )
    redis_url: str = setting(
        "REDIS_URL",
        "",
        "redis://host:port/0; empty means in-process state, which allows a single web process.",
        url_with_password("redis", "rediss", "unix"),
    )
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        (),
        "Host names under which the gateway answers, comma-separated or in JSON; loopback names always do.",
        parse_names,
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS",
        (),
        "Web origins whose pages may call the API, comma-separated or as a list in JSON.",
        parse_origins,
    )
    log_level: str = setting(
        "LOG_LEVEL", "INFO", "Lowest level that is logged.", one_of("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting(
        "LOG_FORMAT",
        "auto",
        "json, console, or auto: console on a terminal.",
        one_of("auto", "json", "console"),
    )
    data_dir: str = setting(
        "GATEWAY_DATA_DIR", str(BASE_DIR / "var"), "Folder of the SQLite file and of generated secrets."
    )
    port: int = setting("GATEWAY_PORT", 8080, "Port that `make run` listens on.", whole_number(1, 65535))

    open_browser: bool = setting(
        "OPEN_BROWSER",
        True,
        "Whether `make run`, at a terminal with a screen, offers to open the chat page in the browser.",
        parse_boolean,
    )

    web_concurrency: int = setting(
        "WEB_CONCURRENCY",
        1,
        "Web processes that `run_web` keeps running, or `auto`: one for each core, at most 4. More than one "
        "needs REDIS_URL.",
        parse_process_count,
    )

    admin_password: str = setting(
        "GATEWAY_ADMIN_PASSWORD", "", "Password of the seeded user `admin`; empty means one is made up."
    )
    user_password: str = setting(
        "GATEWAY_USER_PASSWORD", "", "Password of the seeded user `demo`; empty means one is made up."
    )

    # The engine
    vllm_base_url: str = setting(
        "VLLM_BASE_URL",
        "",
        "The engine, e.g. http://127.0.0.1:8000; empty means `make run` starts the simulated engine.",
        parse_engine_url,
    )
    vllm_api_key: str = setting("VLLM_API_KEY", "", "Bearer key of an engine that was started elsewhere.")
    upstream_connect_timeout_s: float = setting(
        "UPSTREAM_CONNECT_TIMEOUT", 5.0, "Longest wait for a connection to the engine.", seconds(0.01)
    )
    upstream_first_byte_timeout_s: float = setting(
        "UPSTREAM_FIRST_BYTE_TIMEOUT", 300.0, "Longest wait for the engine's first byte.", seconds(0.01)
    )
    upstream_idle_timeout_s: float = setting(
        "UPSTREAM_IDLE_TIMEOUT", 120.0, "Longest silence of the engine within an answer.", seconds(0.01)
    )
    generation_timeout_s: float = setting(
        "GENERATION_TIMEOUT", 1800.0, "Longest life of one answer, with or without its reader.", seconds(0.1)
    )

    # The chat path
    rate_limit_requests: int = setting(
        "RATE_LIMIT_REQUESTS",
        60,
        "Chat requests per user and window; 0 switches the limit off.",
        whole_number(0),
    )
    rate_limit_window_s: int = setting(
        "RATE_LIMIT_WINDOW", 60, "Length of the window, in seconds.", whole_number(1, 86400)
    )
    login_rate: str = setting(
        "LOGIN_RATE",
        "10/m",
        "Log-in attempts per account and per address; 0/m switches the limit off.",
        parse_rate,
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES", 8 * 2**20, "Largest request body.", whole_number(1024, 2**30)
    )
    body_timeout_s: float = setting(
        "BODY_TIMEOUT", 30.0, "Longest wait for the next piece of a request body.", seconds(0.05)
    )
    send_timeout_s: float = setting(
        "SEND_TIMEOUT", 30.0, "A reader that takes nothing for this long counts as gone.", seconds(0.05)
    )
    ping_interval_s: float = setting(
        "PING_INTERVAL", 15.0, "Silence after which a stream gets a `: ping` comment.", seconds(0.05)
    )
    checkpoint_interval_s: float = setting(
        "CHECKPOINT_INTERVAL", 5.0, "How often the text of running answers is saved.", seconds(0.05)
    )
    message_lease_s: float = setting(
        "MESSAGE_LEASE", 15.0, "An answer not saved for this long is closed by the sweeper.", seconds(0.1)
    )
    shutdown_timeout_s: float = setting(
        "SHUTDOWN_TIMEOUT",
        30.0,
        "Time that running answers get to finish when the process stops.",
        seconds(0),
    )
    metrics_networks: tuple[str, ...] = setting(
        "METRICS_NETWORKS",
        ("127.0.0.0/8", "::1/128"),
        "Networks that may read /metrics; a request that came through a proxy never may.",
        parse_networks,
    )
    secure_cookies: bool = setting(
        "SECURE_COOKIES", False, "Set when users reach the gateway over https.", parse_boolean
    )
    hsts_seconds: int = setting(
        "HSTS_SECONDS",
        0,
        "How long browsers insist on https after each answer; 0 says nothing of it.",
        whole_number(0),
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """ALLOWED_HOSTS with the loopback names, which probes on this machine use."""
        return tuple(dict.fromkeys((*self.allowed_hosts, *LOOPBACK_HOSTS)))

    @property
    def is_registration_open(self) -> bool:
        """Whether people may create an account with a password."""
        return self.registration and not self.oidc_only

    @property
    def engine_url(self) -> str:
        return self.vllm_base_url or VLLM_DEFAULT_URL

    @property
    def is_embedded(self) -> bool:
        """True on the defaults: SQLite and in-process state, one web process."""
        return not self.database_url and not self.redis_url


def read_config(environment: Mapping[str, str]) -> GatewayConfig:
    """The configuration that `environment` describes. Raises ConfigurationError naming the variable."""
    values: dict[str, Any] = {}
    for item in fields(GatewayConfig):
        name = item.metadata["name"]
        raw = read_value(environment, name)
        if raw is not None:
            values[item.name] = item.metadata["parse"](name, raw)
    return GatewayConfig(**values)


def check_secrets(config: GatewayConfig) -> None:
    """Raises ConfigurationError when a signing secret is missing, short or used twice."""
    for name, secret in (("JWT_SECRET", config.jwt_secret), ("SECRET_KEY", config.secret_key)):
        if not secret:
            raise ConfigurationError(
                name, "is not set; give it at least 32 random bytes (`openssl rand -base64 48`)"
            )
        if len(secret.encode()) < MINIMUM_SECRET_BYTES:
            raise ConfigurationError(name, f"is shorter than {MINIMUM_SECRET_BYTES} bytes")
    if config.jwt_secret == config.secret_key:
        raise ConfigurationError("JWT_SECRET", "must differ from SECRET_KEY")


def secret_values(config: GatewayConfig) -> tuple[str, ...]:
    """The secrets in `config`, with the passwords within its URLs: what must not be shown anywhere."""
    values = [str(getattr(config, item.name)) for item in fields(config) if item.metadata["name"] in SECRETS]
    urls = (config.database_url, config.redis_url, config.ray_dashboard_url, config.ray_serve_url)
    passwords = [urlsplit(url).password for url in urls]
    # Parts of it are left where a name has been replaced by its address.
    webhook_path = urlsplit(config.alert_webhook_url).path.strip("/")
    return tuple(value for value in (*values, *passwords, webhook_path) if value)


def own_origins(config: GatewayConfig) -> list[str]:
    """The https origins of the gateway's own pages, for Django's CSRF check; none on plain http."""
    if not config.secure_cookies:
        return []
    names = [name for name in config.allowed_hosts if name != "*"]
    return [f"https://{'*' + name if name.startswith('.') else name}" for name in names]


def with_generated_secrets(config: GatewayConfig) -> GatewayConfig:
    """`config` with secrets of its own where none are set.

    Secrets are made up only on the embedded defaults: replicas that share a database must share their
    secrets too, so there a missing JWT_SECRET stays missing and start-up fails. Beside a good one
    SECRET_KEY may be missing anywhere, as every replica derives the same.
    """
    if config.secret_key and config.jwt_secret:
        return config
    if not config.is_embedded:
        return replace(config, secret_key=config.secret_key or derive_secret_key(config.jwt_secret))
    kept = load_or_create_secrets(Path(config.data_dir))
    return replace(
        config,
        secret_key=config.secret_key or kept["secret_key"],
        jwt_secret=config.jwt_secret or kept["jwt_secret"],
    )


def derive_secret_key(jwt_secret: str) -> str:
    """A key that nobody finds without `jwt_secret`; empty for one that is too short to begin with."""
    if len(jwt_secret.encode()) < MINIMUM_SECRET_BYTES:
        return ""
    return hmac.digest(jwt_secret.encode(), b"vllm-chat-gateway SECRET_KEY", "sha256").hex()


@cache
def get_config() -> GatewayConfig:
    """This process's configuration: the environment, over `.env.local` and `.env` of the project folder."""
    environment = load_dotenvs(Path(os.environ.get("GATEWAY_ENV_FILE", BASE_DIR / ".env")), os.environ)
    config = with_generated_secrets(read_config(environment))
    check_secrets(config)
    return config
