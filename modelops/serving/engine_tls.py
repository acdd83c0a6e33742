"""How engines' certificates are verified: by the system's authorities and those of ENGINE_CA_FILE."""

from __future__ import annotations

import ssl
from functools import lru_cache

from gateway.conf import get_config


def build_engine_tls() -> ssl.SSLContext:
    """Raises OSError for a file that cannot be read, and ssl.SSLError for one without certificates."""
    context = ssl.create_default_context()
    if ca_file := get_config().engine_ca_file:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def get_engine_tls() -> ssl.SSLContext:
    """The same for clients that share it: making one takes tens of milliseconds."""
    return _build(get_config().engine_ca_file)


@lru_cache(maxsize=2)
def _build(_ca_file: str) -> ssl.SSLContext:
    return build_engine_tls()
