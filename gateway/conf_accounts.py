"""The settings about accounts: tokens, sessions, API keys, registration and limits."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import (
    one_of,
    parse_base_path,
    parse_boolean,
    parse_currency,
    parse_rate,
    seconds,
    setting,
    whole_number,
)


@dataclass(frozen=True, kw_only=True)
class AccountConfig:
    """A part of `gateway.conf.GatewayConfig`."""

    jwt_secret: str = setting(
        "JWT_SECRET", "", "Signs access and refresh tokens; at least 32 bytes, not SECRET_KEY."
    )
    jwt_algorithm: str = setting(
        "JWT_ALGORITHM", "HS256", "Signature of the tokens.", one_of("HS256", "HS384", "HS512")
    )
    jwt_expire_hours: int = setting(
        "JWT_EXPIRE_HOURS", 24, "Life of an access token, in hours.", whole_number(1, 24 * 365)
    )
    jwt_refresh_days: int = setting(
        "JWT_REFRESH_DAYS",
        30,
        "Life of a refresh token, and of a session that is not refreshed, in days.",
        whole_number(1, 365),
    )
    jwt_leeway_s: float = setting(
        "JWT_LEEWAY", 10.0, "By how much the clocks of several machines may differ.", seconds(0)
    )
    jwt_issuer: str = setting("JWT_ISSUER", "vllm-chat-gateway", "The tokens' `iss`; others are refused.")
    jwt_audience: str = setting("JWT_AUDIENCE", "vllm-chat-gateway", "The tokens' `aud`; others are refused.")
    refresh_grace_s: float = setting(
        "REFRESH_GRACE",
        10.0,
        "For this long a refresh token that was just used gets the same successor again (a lost answer).",
        seconds(0),
    )
    registration: bool = setting(
        "REGISTRATION", False, "Lets anybody who reaches the gateway create an account.", parse_boolean
    )
    max_password_hashes: int = setting(
        "MAX_PASSWORD_HASHES",
        2,
        "Passwords that one process hashes at a time, each in 100 MB; a few more wait, others get 429.",
        whole_number(1, 64),
    )
    api_key_secret: str = setting(
        "API_KEY_SECRET",
        "",
        "Keys the stored hashes of API keys; empty: derived from SECRET_KEY. Changing it ends every key.",
    )
    max_api_keys: int = setting(
        "MAX_API_KEYS", 20, "Working API keys that one account may have.", whole_number(0, 10_000)
    )

    audit_days: int = setting(
        "AUDIT_DAYS",
        730,
        "How long lines of the audit trail are kept; 0: for ever. `prune` removes them.",
        whole_number(0, 36_500),
    )
    usage_days: int = setting(
        "USAGE_DAYS",
        730,
        "How long it is kept what each account used on a day; 0: for ever. `prune` removes it.",
        whole_number(0, 36_500),
    )

    # Limits; rows in the admin override the first three (docs/limits.md).
    token_limit: int = setting(
        "TOKEN_LIMIT",
        0,
        "Tokens (prompt and answer) per user and TOKEN_WINDOW; 0 switches the limit off.",
        whole_number(0),
    )
    token_window_s: int = setting(
        "TOKEN_WINDOW", 86_400, "Length of the tokens' window, in seconds.", whole_number(1, 31 * 86_400)
    )
    max_concurrent_streams: int = setting(
        "MAX_CONCURRENT_STREAMS",
        8,
        "Answers that one user may have generated at a time; 0 switches the limit off.",
        whole_number(0),
    )
    max_event_streams: int = setting(
        "MAX_EVENT_STREAMS",
        10,
        "Streams of model events, and of answers that are followed again, that one user may have open at a "
        "time; 0 switches the limit off.",
        whole_number(0),
    )
    stream_lease_s: float = setting(
        "STREAM_LEASE",
        30.0,
        "For this long the answers of a process that crashed still count as being generated.",
        seconds(1),
    )
    limits_without_redis: str = setting(
        "LIMITS_WITHOUT_REDIS",
        "refuse",
        "While Redis does not answer: refuse (503), or allow with limits that each process counts by itself.",
        one_of("refuse", "allow"),
    )
    rest_rate: str = setting(
        "REST_RATE", "600/m", "REST requests per account; 0/m switches the limit off.", parse_rate
    )
    address_rate: str = setting(
        "ADDRESS_RATE",
        "120/m",
        "Requests without a good credential per address; 0/m switches the limit off.",
        parse_rate,
    )
    probe_rate: str = setting(
        "PROBE_RATE",
        "600/m",
        "Calls of /health and /health/ready per address and process; 0/m switches the limit off.",
        parse_rate,
    )
    trusted_proxy_hops: int = setting(
        "TRUSTED_PROXY_HOPS",
        0,
        "Proxies in front of the gateway that each add to X-Forwarded-For; 0: the header counts for nothing.",
        whole_number(0, 10),
    )
    base_path: str = setting(
        "BASE_PATH",
        "",
        "Path below which everything is, such as /gateway, on a host that has other things too; the proxy "
        "passes it on as it is. Empty: the root of the host.",
        parse_base_path,
    )
    cost_currency: str = setting(
        "COST_CURRENCY",
        "USD",
        "The currency of the prices in profiles, as reports of usage name it.",
        parse_currency,
    )
