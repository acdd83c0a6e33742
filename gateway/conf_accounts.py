"""The settings about accounts: tokens, sessions, API keys and registration."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import one_of, parse_boolean, seconds, setting, whole_number


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
    api_key_secret: str = setting(
        "API_KEY_SECRET",
        "",
        "Keys the stored hashes of API keys; empty: derived from SECRET_KEY. Changing it ends every key.",
    )
    max_api_keys: int = setting(
        "MAX_API_KEYS", 20, "Working API keys that one account may have.", whole_number(0, 10_000)
    )
