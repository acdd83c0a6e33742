"""The bearer key of each engine that the gateway starts, so that nobody who reaches its port can use it.

It follows from SECRET_KEY and the engine's id: web processes and switchers agree on it without storing it.
After SECRET_KEY was changed the engines that run refuse the new key, and the switcher starts them anew.
"""

from __future__ import annotations

from django.utils.crypto import salted_hmac

from gateway.conf import GatewayConfig
from modelops.models import Engine

_SALT = "modelops.engine_keys"


def find_engine_key(engine: Engine, config: GatewayConfig) -> str:
    """What requests to it carry; VLLM_API_KEY where somebody else, or an older version, started it."""
    if not engine.has_own_key:
        return config.vllm_api_key
    return salted_hmac(_SALT, str(engine.pk), secret=config.secret_key, algorithm="sha256").hexdigest()
