"""Probes: is this process alive, and should it get traffic?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.exceptions import RedisError

from chat.endpoints import CHAT_PATH
from chat.web_runtime import get_runtime
from gateway.errors import DependencyUnavailable, InvalidRequest

log = structlog.get_logger()


def index(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "name": settings.PRODUCT_NAME,
            "version": settings.PRODUCT_VERSION,
            "links": {
                "health": "/health",
                "ready": "/health/ready",
                "openai": "/v1",
                "chat": CHAT_PATH,
                "admin": "/admin/",
            },
        }
    )


async def health(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; each service says how it is. Needs no credential, tells no secret."""
    database, cache_service = await _check_stores()
    engine = (await get_runtime()).board.status
    services = {
        "vllm": {"status": engine.state, "latency_ms": engine.latency_ms},
        "database": database,
        "cache": cache_service,
    }
    is_well = engine.is_ready and all(s["status"] == "ok" for s in (database, cache_service))
    return JsonResponse({"status": "ok" if is_well else "degraded", "services": services})


async def ready(request: HttpRequest) -> HttpResponse:
    """503 while this process should get no traffic. The engine's state is reported, and does not count."""
    runtime = await get_runtime()
    database, cache_service = await _check_stores()
    migrations = await sync_to_async(_measure)(_check_migrations)
    checks = {
        "database": database["status"],
        "cache": cache_service["status"],
        "migrations": migrations["status"],
    }
    engine = runtime.board.status
    is_ready = all(status == "ok" for status in checks.values())
    content = {
        "status": "ready" if is_ready else "not_ready",
        "checks": checks,
        "model": {"state": engine.state, "current": engine.current},
    }
    headers = {} if is_ready else DependencyUnavailable().headers
    return JsonResponse(content, status=200 if is_ready else 503, headers=headers)


async def _check_stores() -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        await sync_to_async(_measure)(_check_database),
        await sync_to_async(_measure)(_check_cache),
    )


def _measure(check: Callable[[], None]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        check()
    except Exception as exc:  # a probe reports whatever is wrong
        log.warning("probe_failed", probe=check.__name__, error=type(exc).__name__)
        status = "unavailable"
    else:
        status = "ok"
    return {"status": status, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}


def _check_database() -> None:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_cache() -> None:
    cache.set("gateway-probe", 1, 5)
    if cache.get("gateway-probe") != 1:
        raise RedisError("the cache forgot what it was told")


def _check_migrations() -> None:
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise InvalidRequest("unapplied migrations")
