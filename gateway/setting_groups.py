"""By which subject docs/settings.md lists each setting.

A setting that no group names stands with the part of `gateway.conf` that defines it, at the end there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, NamedTuple

from gateway.conf import GatewayConfig
from gateway.conf_accounts import AccountConfig
from gateway.conf_conversations import ConversationConfig
from gateway.conf_engines import EngineConfig
from gateway.conf_requests import RequestConfig


class SettingGroup(NamedTuple):
    title: str
    names: str
    """In their order, between blanks."""
    rest_of: type | None = None
    """What else this part of the configuration has stands here as well."""


GROUPS = (
    SettingGroup(
        "What a deployment sets first",
        "SECRET_KEY JWT_SECRET API_KEY_SECRET DATABASE_URL POSTGRES_PASSWORD REDIS_URL ALLOWED_HOSTS "
        "SECURE_COOKIES TRUSTED_PROXY_HOPS GATEWAY_ADMIN_PASSWORD REGISTRATION AUTOSTART_PROFILE "
        "HF_TOKEN ENGINE_HF_CACHE",
    ),
    SettingGroup(
        "On a laptop",
        "VLLM_BASE_URL VLLM_API_KEY GATEWAY_PORT GATEWAY_DATA_DIR GATEWAY_USER_PASSWORD OPEN_BROWSER DEBUG",
    ),
    SettingGroup(
        "Limits",
        "RATE_LIMIT_REQUESTS RATE_LIMIT_WINDOW TOKEN_LIMIT TOKEN_WINDOW MAX_CONCURRENT_STREAMS LOGIN_RATE "
        "REST_RATE ADDRESS_RATE PROBE_RATE MAX_EVENT_STREAMS STREAM_LEASE LIMITS_WITHOUT_REDIS",
    ),
    SettingGroup("Accounts, sessions and keys", "", rest_of=AccountConfig),
    SettingGroup(
        "Switching models",
        "SWITCH_DRAIN_TIMEOUT SWITCH_DRAIN_POLICY SWITCH_WAIT SWITCH_STREAM_WAIT SWITCH_QUEUE_SIZE "
        "SWITCH_ON_REQUEST SWITCH_MINIMUM_ACTIVE SWITCH_CLEAR_TIMEOUT SWITCHER_LEASE ENGINE_STALL_SCALE",
    ),
    SettingGroup("Engines", "", rest_of=EngineConfig),
    SettingGroup("Alarms by webhook", "ALERT_WEBHOOK_URL ALERT_WEBHOOK_FORMAT ALERT_LANGUAGE"),
    SettingGroup(
        "Answers and streams",
        "UPSTREAM_CONNECT_TIMEOUT UPSTREAM_FIRST_BYTE_TIMEOUT UPSTREAM_IDLE_TIMEOUT GENERATION_TIMEOUT "
        "PING_INTERVAL SEND_TIMEOUT BODY_TIMEOUT CHECKPOINT_INTERVAL MESSAGE_LEASE RESUME_BUFFER_BYTES "
        "RESUME_TTL AUTO_TITLES PROMPT_CACHE MEDIA_URLS ENGINE_FIELDS",
    ),
    SettingGroup(
        "Conversations and files",
        "MAX_CONVERSATION_BYTES MAX_ACCOUNT_BYTES MAX_MESSAGE_FILES DELETED_CONVERSATION_DAYS "
        "STORED_RESPONSE_DAYS",
        rest_of=ConversationConfig,
    ),
    SettingGroup("How large a request may be", "MAX_BODY_BYTES", rest_of=RequestConfig),
    SettingGroup(
        "Web processes, stores, logs and metrics",
        "WEB_CONCURRENCY SHUTDOWN_TIMEOUT DATABASE_TIMEOUT LOG_LEVEL LOG_FORMAT METRICS_NETWORKS",
        rest_of=GatewayConfig,
    ),
)
PARTS = (AccountConfig, ConversationConfig, EngineConfig, RequestConfig)


def group_settings() -> Iterator[tuple[str, list[Field[Any]]]]:
    """Each title with its settings; every setting stands in one group."""
    items = {item.metadata["name"]: item for item in fields(GatewayConfig)}
    part_of = {item.metadata["name"]: part for part in PARTS for item in fields(part)}
    named = {name for group in GROUPS for name in group.names.split()}
    for title, names, rest_of in GROUPS:
        rest = [name for name in items if name not in named and part_of.get(name, GatewayConfig) is rest_of]
        yield title, [items[name] for name in (*names.split(), *rest)]
