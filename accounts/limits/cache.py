"""The cache in which django-ratelimit counts when LIMITS_WITHOUT_REDIS=allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from accounts.redis_batch import BACK_OFF_S

log = structlog.get_logger()

Result = TypeVar("Result")


class FallbackCache(BaseCache):
    """Redis's cache, or this process's memory while Redis fails; only the methods that counting uses."""

    _backs_off_until = 0.0
    """Of the class, as each thread has a cache: not every call waits for a Redis that hangs."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._shared = RedisCache(location, params)
        self._own = LocMemCache("limits-without-redis", {})

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return self._try(lambda cache: bool(cache.add(key, value, timeout, version=version)))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._try(lambda cache: cache.get(key, default, version=version))

    def set(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._try(lambda cache: cache.set(key, value, timeout, version=version))

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        return self._try(lambda cache: int(cache.incr(key, delta, version=version)))

    def delete(self, key: str, version: int | None = None) -> bool:
        return self._try(lambda cache: bool(cache.delete(key, version=version)))

    def _try(self, work: Callable[[Any], Result]) -> Result:
        if time.monotonic() < self._backs_off_until:
            return work(self._own)
        try:
            return work(self._shared)
        except (ConnectionInterrupted, RedisError) as exc:
            log.warning("redis_failed", error=type(exc).__name__)
            type(self)._backs_off_until = time.monotonic() + BACK_OFF_S
            return work(self._own)
