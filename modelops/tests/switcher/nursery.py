"""A process that forks switchers and reads the rows for a test; told what to do in JSON lines.

Forking spares each switcher a second of imports, so that hundreds can be killed in a test run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from gateway.tests.fork_server import end_with_parent

if TYPE_CHECKING:
    from gateway.conf import GatewayConfig
    from modelops.runtimes.base import Runtime


def main() -> None:
    # What is logged goes to standard output as well, and is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    django.setup()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = carry_out(**order)
        except Exception as exc:
            answer = {"error": f"{type(exc).__name__}: {exc}"}
        print(json.dumps(answer, default=str), file=answers, flush=True)


def carry_out(do: str, **options: Any) -> dict[str, Any]:
    """On the connection of the order before: tests ask fifty times a second what has become of a switch."""
    try:
        return ORDERS[do](**options)
    except (InterfaceError, OperationalError):
        # The server may have been restarted since.
        _close_connections()
        return ORDERS[do](**options)


def fork_switcher(log: str, environment: dict[str, str], poll_s: float | None = None) -> dict[str, Any]:
    """A switcher as `manage.py run_switcher` starts it, in a child of ours; polls every `poll_s` if given."""
    _close_connections()
    pid = os.fork()
    if pid:
        return {"pid": pid}
    end_with_parent()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(here, there)
    from django.core.management import call_command

    from gateway.conf import get_config
    from modelops.switcher import loop

    loop.POLL_PERIOD_S = poll_s or loop.POLL_PERIOD_S
    os.environ.update(environment)
    get_config.cache_clear()
    try:
        call_command("run_switcher")
    finally:
        os._exit(0)


def reap(pid: int) -> dict[str, Any]:
    _, status = os.waitpid(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status)}


def save_profile(**values: Any) -> dict[str, Any]:
    from modelops.models import ModelProfile

    known = {"engine": "simulator", "runtime": "process", "display_name": values["slug"]}
    profile = ModelProfile.objects.filter(slug=values["slug"]).first() or ModelProfile()
    for name, value in (known | values).items():
        setattr(profile, name, value)
    profile.full_clean()
    profile.save()
    return {}


def delete_profile(slug: str) -> dict[str, Any]:
    from modelops.models import ModelProfile

    ModelProfile.objects.filter(slug=slug).delete()
    return {}


def add_slot_in_trouble() -> dict[str, Any]:
    """A slot whose every look fails: nobody knows the runtime of its engine."""
    from modelops.models import Engine, Slot

    slot = Slot.objects.create(slug="ailing")
    slot.active_engine = Engine.objects.create(
        slot=slot, generation=1, name="lost-1", runtime="forgotten", spec={}
    )
    slot.save()
    return {}


def request(profile: str, **options: Any) -> dict[str, Any]:
    from modelops.domain.switching.request import SwitchRequest
    from modelops.models import Slot, Switch
    from modelops.switching.actor import Actor
    from modelops.switching.planning import find_runtime_facts
    from modelops.switching.requests import request_switch

    slug = options.get("slot", "default")
    while find_runtime_facts(Slot.objects.filter(slug=slug).first()) is None:
        # A switcher that has just begun says so in a moment, and what it acts for.
        time.sleep(0.02)
    asked = request_switch(SwitchRequest(profile, **options), Actor(Switch.Via.COMMAND, None, "test"))
    return {"outcome": asked.outcome, "switch": asked.switch and str(asked.switch.pk)}


def create_slot(name: str, **wish: Any) -> dict[str, Any]:
    """As an operator makes one, once a switcher has said which box it is on."""
    from modelops.models import Slot, Switch, SwitcherPresence
    from modelops.switching import placing
    from modelops.switching.actor import Actor

    while not SwitcherPresence.objects.exclude(box="").exists():
        time.sleep(0.02)
    slot = placing.create_slot(name, placing.SlotWish(**wish), Actor(Switch.Via.COMMAND, None, "test")).slot
    return {"id": str(slot.pk), "retired": Slot.objects.exclude(retired_at=None).count()}


def change_slot(name: str, **wish: Any) -> dict[str, Any]:
    from modelops.models import Switch
    from modelops.switching import placing
    from modelops.switching.actor import Actor

    slot = placing.change_slot(name, placing.SlotWish(**wish), Actor(Switch.Via.COMMAND, None, "test")).slot
    return {"gpus": slot.gpus}


def retire_slot(name: str) -> dict[str, Any]:
    from modelops.models import Switch
    from modelops.switching import retiring
    from modelops.switching.actor import Actor

    retiring.retire_slot(name, Actor(Switch.Via.COMMAND, None, "test"), stop=True)
    return {}


def insert_switch(profile: str, force: bool) -> dict[str, Any]:
    """A switch whose plan nobody has seen yet, as if what it found had changed since it was asked for."""
    from modelops.models import Slot, Switch

    slot = Slot.objects.get(slug="default")
    switch = Switch.objects.create(
        slot=slot,
        to_profile=profile,
        via=Switch.Via.COMMAND,
        actor_name="test",
        drain_timeout_s=0,
        drain_policy="cut",
        force=force,
    )
    return {"switch": str(switch.pk)}


def cancel() -> dict[str, Any]:
    from modelops.models import Switch
    from modelops.switching.actor import Actor
    from modelops.switching.cancelling import cancel_switch

    return {"switch": str(cancel_switch(None, Actor(Switch.Via.COMMAND, None, "test")).pk)}


def open_runtimes(config: GatewayConfig) -> list[Runtime]:
    """Those that the bench was opened with."""
    from modelops.runtimes.docker_runtime import DockerRuntime
    from modelops.runtimes.process_runtime import ProcessRuntime
    from modelops.runtimes.ray_runtime import RayRuntime

    if config.ray_dashboard_url:
        return [RayRuntime(config)]
    return [DockerRuntime(config) if config.docker_host else ProcessRuntime(config)]


def states(slot: str = "") -> dict[str, Any]:
    """The live switches' states, of every slot unless one is named, quickly."""
    from modelops.models import Switch

    live = Switch.objects.live()
    live = live.filter(slot__slug=slot) if slot else live
    return {"live": list(live.values_list("state", flat=True))}


def read_rows(slot: str = "default") -> dict[str, Any]:
    """Every row of the slot, and every switcher's."""
    from modelops.models import Engine, Slot, Switch, SwitcherPresence, SwitchEvent

    events = SwitchEvent.objects.filter(switch__slot__slug=slot)
    return {
        "slot": Slot.objects.filter(slug=slot).values().first(),
        "switches": list(Switch.objects.filter(slot__slug=slot).order_by("created_at").values()),
        "engines": list(Engine.objects.filter(slot__slug=slot).order_by("generation").values()),
        "events": list(events.values("switch_id", "kind", "state", "message")),
        "switchers": list(SwitcherPresence.objects.values()),
    }


def look(slot: str = "default") -> dict[str, Any]:
    """Every row of the slot, and every workload that carries its label."""
    from gateway.conf import get_config

    rows = read_rows(slot)
    found = []
    for runtime in open_runtimes(get_config()):
        instances = runtime.list_instances(str(rows["slot"]["id"])) if rows["slot"] else []
        found += [
            {"name": each.name, "state": str(each.state), "pids": list(each.pids)} for each in instances
        ]
        runtime.close()
    return rows | {"workloads": found}


def find_gpus(used_mib: int) -> dict[str, Any]:
    from modelops.hardware.sampling import latest_reading

    reading = latest_reading(max_age_s=60)
    gpus = reading.usable_gpus if reading else ()
    most = max((gpu.used_bytes or 0 for gpu in gpus), default=0)
    return {"is_seen": len(gpus) == 2 and most >= used_mib * 2**20}


def count_open(slot: str) -> dict[str, Any]:
    """The requests that web processes say they have at the slot's engine."""
    from modelops.models import Slot
    from modelops.switching.draining import count_requests

    return {"open": count_requests(Slot.objects.get(slug=slot).pk).running}


def show_busy_web(is_busy: bool, engine: str = "") -> dict[str, Any]:
    """A web process's row that never grows old, as if it had acted on every epoch to come."""
    from modelops.models import Slot, WebPresence

    WebPresence.objects.all().delete()
    if is_busy:
        slot = Slot.objects.get(slug="default")
        entry = {str(slot.pk): {"epoch": 10**9, "open": 1, "waiting": 0, "engines": {engine: 1}}}
        later = timezone.now() + timedelta(hours=1)
        WebPresence.objects.create(host="test", pid=1, seen_at=later, slots=entry)
    return {}


def show_web(reached: dict[str, str]) -> dict[str, Any]:
    """A web process's row that never grows old, of one without requests that says this of engines."""
    from modelops.models import Slot, WebPresence

    WebPresence.objects.all().delete()
    entry = {str(Slot.objects.get(slug="default").pk): {"epoch": 10**9, "open": 0, "waiting": 0}}
    later = timezone.now() + timedelta(hours=1)
    WebPresence.objects.create(host="test", pid=1, seen_at=later, slots=entry, reached=reached)
    return {}


def remember_start(profile: str, seconds: float) -> dict[str, Any]:
    """As if the profile's starts so far had taken this long."""
    from modelops.models import Engine

    Engine.objects.filter(profile=profile).update(phase_seconds={"weights": seconds})
    return {}


def change_engine(name: str, **values: Any) -> dict[str, Any]:
    """As whoever may write to the database would change what is stored of an engine."""
    from modelops.models import Engine

    Engine.objects.filter(name=name).update(**values)
    return {}


def remember_failures(count: int) -> dict[str, Any]:
    """As if so many restarts in a row had failed."""
    from modelops.models import Slot

    Slot.objects.update(failed_restarts=count)
    return {}


def forget_failures() -> dict[str, Any]:
    """As if no engine had failed for long: the next try is due at once."""
    from modelops.models import Slot

    Slot.objects.update(failed_restarts=0, retry_at=None, failed_replicas=0, replica_retry_at=None)
    return {}


def spoil_engine(name: str) -> dict[str, Any]:
    """Whatever is started from this engine's record fails for want of disk."""
    from modelops.models import Engine

    engine = Engine.objects.get(name=name)
    engine.arguments = [*engine.arguments, "--sim-fault", "no_disk"]
    engine.save()
    return {}


def end_engines() -> dict[str, Any]:
    from gateway.conf import get_config
    from modelops.models import Slot
    from modelops.switcher.local_shutdown import end_local_engines

    config = get_config()
    end_local_engines(config, reason="the test ended")
    for runtime in open_runtimes(config):
        for slot in Slot.objects.all():
            for instance in runtime.list_instances(str(slot.pk)):
                runtime.remove(instance.name)
        runtime.close()
    return {}


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()


ORDERS = {
    each.__name__: each
    for each in (
        fork_switcher,
        reap,
        save_profile,
        delete_profile,
        add_slot_in_trouble,
        request,
        create_slot,
        change_slot,
        retire_slot,
        insert_switch,
        cancel,
        states,
        read_rows,
        look,
        find_gpus,
        count_open,
        show_busy_web,
        show_web,
        remember_start,
        change_engine,
        remember_failures,
        forget_failures,
        spoil_engine,
        end_engines,
    )
}

if __name__ == "__main__":
    main()
