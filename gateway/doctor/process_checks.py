"""The processes that make up the service: web, switcher and engines, as they are reached from here."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
from django.utils import timezone

from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.wording import fill_in
from modelops.domain.runtimes import find_health_path, get_traits
from modelops.models import Engine, EngineState, Slot, WebPresence
from modelops.serving.engine_tls import get_engine_tls
from modelops.serving.web_presence import SILENT_FOR, identify_network
from modelops.switching.replica_status import ReplicasStatus, name_replica_state
from modelops.switching.selectors import find_switcher
from modelops.switching.slot_status import ServiceState, list_slot_statuses, name_service_state
from modelops.switching.status import find_failure, find_retry_at
from modelops.switching.switchers import find_present, list_present

ENGINE_TIMEOUT_S = 3.0
PORT_TIMEOUT_S = 4.0
IMAGE_PORT = 8080
"""Where the image listens, whatever port the machine publishes it on."""


def check_web(place: VantagePoint) -> Iterator[Finding]:
    """Whether web processes report themselves, and answer on their port where that is ours to reach."""
    present = list(WebPresence.objects.filter(seen_at__gte=timezone.now() - SILENT_FOR))
    if not present:
        yield Finding(
            "web",
            FindingKind.PROBLEM,
            fill_in(
                "No web process has reported itself for {seconds} s.",
                seconds=round(SILENT_FOR.total_seconds()),
            ),
            fill_in("Start it (docker compose up -d web, or make run), and read its log."),
        )
    else:
        hosts = sorted({each.host for each in present})
        yield Finding(
            "web",
            FindingKind.OK,
            fill_in("Web processes: {count}, on {hosts}.", count=len(present), hosts=", ".join(hosts)),
            facts={"count": len(present), "hosts": hosts},
        )
    yield _judge_port(place, is_here=any(each.network == identify_network() for each in present))


def _judge_port(place: VantagePoint, *, is_here: bool) -> Finding:
    ports = [IMAGE_PORT, place.config.port] if place.is_container else [place.config.port]
    answers = {port: _ask_port(port) for port in dict.fromkeys(ports)}
    for port, answer in answers.items():
        if isinstance(answer, httpx.Response):
            return _judge_answer(port, answer)
    port, listed = ports[0], ", ".join(map(str, answers))
    if is_here:
        return Finding(
            "port",
            FindingKind.PROBLEM,
            fill_in("Port {port} does not answer here: {error}.", port=port, error=answers[port]),
            fill_in("Another port may have been given to run_web. Otherwise read the log of web."),
            {"port": port},
        )
    return Finding(
        "port",
        FindingKind.UNKNOWN,
        fill_in("Nothing listens on port {port} here, where no web process runs.", port=listed),
        facts={"port": port},
    )


def _ask_port(port: int) -> httpx.Response | str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=PORT_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as exc:
        return type(exc).__name__


def _judge_answer(port: int, answer: httpx.Response) -> Finding:
    facts = {"port": port, "status": answer.status_code}
    try:
        content = answer.json()
        status = str(content["status"])
        checks = content["checks"]
    except (ValueError, KeyError, TypeError):
        return Finding(
            "port",
            FindingKind.PROBLEM,
            fill_in(
                "What answers on port {port} is not the gateway ({status}).",
                port=port,
                status=answer.status_code,
            ),
            fill_in("See what has it (ss -ltnp), or set GATEWAY_PORT to a free one."),
            facts,
        )
    if answer.status_code == 200:
        return Finding(
            "port",
            FindingKind.OK,
            fill_in("Port {port} answers, and the gateway is ready.", port=port),
            facts=facts,
        )
    bad = ", ".join(name for name, outcome in checks.items() if outcome != "ok") or status
    return Finding(
        "port",
        FindingKind.PROBLEM,
        fill_in("The gateway on port {port} is not ready: {checks}.", port=port, checks=bad),
        fill_in("The other checks say what is the matter with these."),
        {**facts, "checks": checks},
    )


def check_switcher(place: VantagePoint) -> Iterator[Finding]:
    present = list_present()
    slot = Slot.objects.order_by("slug").filter(slug="default").first() or Slot.objects.first()
    acting = find_present(slot)
    if acting is None:
        last = find_switcher(slot)
        when = (
            fill_in("It was heard of last at {at}.", at=f"{last.seen_at:%Y-%m-%d %H:%M:%S} UTC")
            if last.seen_at
            else ""
        )
        yield Finding(
            "switcher",
            FindingKind.PROBLEM,
            fill_in(
                "No switcher runs for the default slot: models are neither switched nor restarted. {when}",
                when=when,
            ),
            fill_in("docker compose up -d switcher, or manage.py run_switcher. Its log says why it ended."),
        )
    else:
        age = round((timezone.now() - acting.seen_at).total_seconds(), 1)
        yield Finding(
            "switcher",
            FindingKind.OK,
            fill_in(
                "The switcher on {host} was heard of {seconds} s ago.", host=acting.host, seconds=max(age, 0)
            ),
            facts={"host": acting.host, "age_s": age, "count": len(present)},
        )
    for each in present:
        if each.notice:
            yield Finding(f"switcher.{each.host}", FindingKind.NOTE, each.notice_text)


def check_engines(place: VantagePoint) -> Iterator[Finding]:
    """What each slot serves, and whether its engine is reached from here."""
    for status in list_slot_statuses():
        slot = status.slot
        values = {
            "slot": slot.slug,
            "state": name_service_state(status.state),
            "profile": status.current_profile or "—",
        }
        facts = {"state": str(status.state), "profile": status.current_profile}
        message = fill_in("{slot}: {state}, serves {profile}.", **values)
        if status.state is ServiceState.UNREACHABLE:
            yield Finding(
                f"slot.{slot.slug}",
                FindingKind.PROBLEM,
                fill_in(
                    "{slot}: {state}. {cause}", cause=status.problem, slot=slot.slug, state=values["state"]
                ),
                fill_in(
                    "Start its box, with Docker and the switcher, or have another box serve the slot: "
                    "manage.py move_slot {slot}.",
                    slot=slot.slug,
                ),
                facts,
            )
        elif status.state is not ServiceState.DEGRADED:
            none = status.state is ServiceState.NONE
            advice = fill_in("manage.py switch_model PROFILE starts a model.") if none else ""
            yield Finding(
                f"slot.{slot.slug}", FindingKind.NOTE if none else FindingKind.OK, message, advice, facts
            )
        else:
            failure = find_failure(status)
            cause = failure.cause.message if failure else status.problem
            retry_at = find_retry_at(slot)
            advice = fill_in("manage.py model_status says what helps; manage.py engine_logs shows the log.")
            if retry_at:
                advice = fill_in(
                    "The next try is at {at}; manage.py switch_model tries at once, and manage.py "
                    "model_status says what helps.",
                    at=f"{retry_at:%H:%M:%S} UTC",
                )
            yield Finding(
                f"slot.{slot.slug}",
                FindingKind.PROBLEM,
                fill_in("{slot}: {state}. {cause}", cause=cause, slot=slot.slug, state=values["state"]),
                advice,
                {**facts, "retry_at": retry_at.isoformat() if retry_at else None},
            )
        if status.replicas is not None:
            yield _count_replicas(slot.slug, status.replicas)
            for follower in status.replicas.engines[1:]:
                if name_replica_state(follower) == EngineState.SERVING:
                    yield _reach(f"{slot.slug}.{follower.replica}", follower)
        if slot.active_engine is not None:
            yield _reach(slot.slug, slot.active_engine)
    if place.config.vllm_base_url:
        yield _ask_engine("engine.VLLM_BASE_URL", "VLLM_BASE_URL", place.config.vllm_base_url)


def _count_replicas(slot: str, found: ReplicasStatus) -> Finding:
    values = {"slot": slot, "summary": found.summary}
    facts = {"wanted": found.wanted, "serving": found.serving}
    if found.is_whole or found.cause is None:
        kind = FindingKind.OK if found.is_whole else FindingKind.NOTE
        return Finding(f"replicas.{slot}", kind, fill_in("{slot}: {summary}.", **values), facts=facts)
    return Finding(
        f"replicas.{slot}",
        FindingKind.PROBLEM,
        fill_in("{slot}: {summary}. {cause}", cause=found.cause.message, **values),
        fill_in("The missing one is started again by itself; manage.py engine_logs shows why it ended."),
        facts,
    )


def _reach(slot: str, engine: Engine) -> Finding:
    is_local = get_traits(engine.runtime).is_on_loopback
    path = find_health_path(engine.runtime)
    finding = _ask_engine(f"engine.{slot}", engine.name, engine.base_url, path=path)
    if finding.verdict is FindingKind.PROBLEM and is_local:
        return Finding(
            finding.id,
            FindingKind.UNKNOWN,
            fill_in(
                "{engine} is a process of the machine on which the switcher runs, and is not reached from"
                " here.",
                engine=engine.name,
            ),
            facts=finding.facts,
        )
    return finding


def _ask_engine(id_: str, name: str, url: str, *, path: str = "/health") -> Finding:
    """The path needs no key, and answers 200 once the model is loaded."""
    started = time.perf_counter()
    try:
        answer = httpx.get(f"{url}{path}", timeout=ENGINE_TIMEOUT_S, verify=get_engine_tls(), trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return Finding(
            id_,
            FindingKind.PROBLEM,
            fill_in(
                "{engine} is not reached from here at {url}: {error}.",
                engine=name,
                url=url,
                error=type(exc).__name__,
            ),
            fill_in(
                "It has to be up and on a network that this process is on, too: ENGINE_NETWORK for "
                "containers "
                "(docker network inspect vllm-gateway), VLLM_BASE_URL for an engine of your own."
            ),
            {"url": url},
        )
    latency_ms = round((time.perf_counter() - started) * 1000, 1)
    facts = {"url": url, "status": answer.status_code, "latency_ms": latency_ms}
    if answer.status_code == 200:
        return Finding(
            id_,
            FindingKind.OK,
            fill_in("{engine} is well, and answers in {ms} ms.", engine=name, ms=latency_ms),
            facts=facts,
        )
    return Finding(
        id_,
        FindingKind.PROBLEM,
        fill_in(
            "{engine} answers {status} when asked for its health.", engine=name, status=answer.status_code
        ),
        fill_in("manage.py engine_logs shows its log. 503 means that it is about to end."),
        facts,
    )
