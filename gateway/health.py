"""Probes: is this process alive, and should it get traffic?"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.client_address import address_bucket, client_address
from accounts.limits.rules import address_rule, parse_rate, refusal_of
from accounts.limits.store import AnswerLease, MemoryLimits
from chat.web_runtime import get_runtime
from gateway.conf import get_config
from gateway.errors import DependencyUnavailable
from gateway.probes import open_probes


async def health(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; each service says how it is. Needs no credential, tells no secret.

    Unhealthy: requests are refused for want of a store. Degraded: some are answered, or there is no engine.
    Raises RateLimitExceeded.
    """
    await count_probe(request)
    runtime = await get_runtime()
    probes = open_probes(runtime.board_worker, runtime.redis)
    database, memory = await probes.look_at_stores()
    engine = runtime.board.status
    needs_cache = runtime.config.limits_without_redis == "refuse"
    status = "healthy"
    if not database.is_ok or (needs_cache and not memory.is_ok):
        status = "unhealthy"
    elif not (engine.can_answer and memory.is_ok):
        status = "degraded"
    services = {
        "vllm": {"status": engine.state, "latency_ms": engine.latency_ms},
        probes.database_name: database.describe(),
        probes.cache_name: memory.describe(),
    }
    timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return JsonResponse({"status": status, "timestamp": timestamp, "services": services})


async def ready(request: HttpRequest) -> HttpResponse:
    """503 while this process should get no traffic. The engine's state is reported, and does not count.

    Raises RateLimitExceeded.
    """
    await count_probe(request)
    runtime = await get_runtime()
    outcomes = await open_probes(runtime.board_worker, runtime.redis).look_at_everything()
    names = ("database", "cache", "migrations")
    engine = runtime.board.status
    is_ready = all(outcome.is_ok for outcome in outcomes)
    content = {
        "status": "ready" if is_ready else "not_ready",
        "checks": {name: outcome.status for name, outcome in zip(names, outcomes, strict=True)},
        "model": {"state": engine.state, "current": engine.current},
    }
    headers = {} if is_ready else DependencyUnavailable().headers
    return JsonResponse(content, status=200 if is_ready else 503, headers=headers)


async def count_probe(request: HttpRequest) -> None:
    """Count a probe against its address, in this process: Redis may be what it asks about.

    Raises RateLimitExceeded.
    """
    rate = parse_rate(get_config().probe_rate)
    if not rate.value:
        return
    rule = address_rule(address_bucket(client_address(request)), rate)
    if (refusal := refusal_of(await probe_counts().acquire(AnswerLease("", (rule,))))) is not None:
        raise refusal


@cache
def probe_counts() -> MemoryLimits:
    """How often each address probed this process."""
    return MemoryLimits(lease_s=1.0)
