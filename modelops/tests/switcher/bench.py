"""A database, profiles whose engines are simulated, and switchers to start, kill and watch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.conf import BASE_DIR
from gateway.tests.databases import Stores, own_database
from gateway.tests.forked import ForkedProcess, start_python
from gateway.tests.live import OUT_OF_REACH, GatewayProcess, wait_until
from modelops.domain.switching.states import LIVE_STATES
from modelops.tests.profiles.profile_examples import CONFIG

LEASE_S = "0.5"
STARTUP_S = 0.25


class SwitchBench:
    """Tests say what a switch is about; this does it. Every switcher that was started is ended."""

    def __init__(self, process: ForkedProcess, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = process
        self._environment = environment
        self._folder = folder
        self._alive: list[int] = []

    def order(self, what: str, **options: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **options}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def save_profile(self, slug: str, *, faults: tuple[str, ...] = (), **values: Any) -> None:
        """A simulated profile. Its context tells one engine from another."""
        flags: dict[str, Any] = {"sim-startup-seconds": STARTUP_S, "sim-first-token-seconds": 0}
        flags |= values.pop("flags", {})
        if faults:
            flags["sim-fault"] = list(faults)
        self.order("save_profile", slug=slug, extra_flags=flags, **{"max_model_len": 4096, **values})

    def save_real_profile(self, slug: str, **values: Any) -> None:
        """A profile as operators write them, whose image happens to hold the simulated engine."""
        known: dict[str, Any] = {
            "engine": "vllm",
            "runtime": "docker",
            "repository": f"somebody/{slug}",
            "config": CONFIG,
        }
        known |= {"extra_flags": {"load-format": "dummy"}, "max_model_len": 4096}
        self.order("save_profile", slug=slug, **{**known, **values})

    def start_switcher(self, *, poll_s: float | None = None, **settings: str) -> int:
        """The process id of a new switcher; `settings` are in place of the bench's own."""
        log = str(self._folder / "switcher.log")
        pid: int = self.order("fork_switcher", log=log, environment=settings, poll_s=poll_s)["pid"]
        self._alive.append(pid)
        return pid

    @property
    def switcher(self) -> int:
        """The process id of the newest one that was started and not ended."""
        return self._alive[-1]

    @property
    def is_switching(self) -> bool:
        """Whether a switcher was started and not ended."""
        return bool(self._alive)

    def end_switcher(self, pid: int, how: signal.Signals = signal.SIGKILL) -> int:
        """Its exit status."""
        os.kill(pid, how)
        self._alive.remove(pid)
        status: int = self.order("reap", pid=pid)["status"]
        return status

    def request(self, profile: str, **options: Any) -> str:
        switch: str = self.order("request", profile=profile, **options)["switch"]
        return switch

    def find_switcher(self, pid: int) -> dict[str, Any] | None:
        """What this switcher says of itself; None before it has said anything."""
        return next((each for each in self.order("read_rows")["switchers"] if each["pid"] == pid), None)

    def look(self, slot: str = "default") -> dict[str, Any]:
        return self.order("look", slot=slot)

    def find_switch(self, switch_id: str, slot: str = "default") -> dict[str, Any]:
        switches = self.look(slot)["switches"]
        found: dict[str, Any] = next(each for each in switches if each["id"] == switch_id)
        return found

    def wait_for_state(self, state: str, *, timeout_s: float = 20.0) -> None:
        wait_until(lambda: state in self.order("states")["live"], timeout_s=timeout_s, what=state)

    def wait_until_settled(self, slot: str = "default", *, timeout_s: float = 40.0) -> dict[str, Any]:
        """All rows of the slot once no switch of it is live and something serves, or is said not to."""

        def settled() -> dict[str, Any] | None:
            if self.order("states", slot=slot)["live"]:
                return None
            rows = self.look(slot)
            row = rows["slot"]
            is_settled = row and (row["active_engine_id"] or row["problem"] or not row["desired_profile"])
            live = [each for each in rows["switches"] if each["state"] in LIVE_STATES]
            return rows if is_settled and not live else None

        # What has settled stays, so there is no need to ask as often as for a state that passes.
        found: dict[str, Any] = wait_until(
            settled, timeout_s=timeout_s, what="every switch to end", poll_s=0.05
        )
        return found

    def switch_and_settle(self, profile: str, *, slot: str = "default", **options: Any) -> dict[str, Any]:
        """The switch's row after its end; empty where none was needed."""
        switch_id = self.order("request", profile=profile, slot=slot, **options)["switch"]
        self.wait_until_settled(slot)
        return self.find_switch(switch_id, slot) if switch_id else {}

    @contextlib.contextmanager
    def web_process(self, **settings: str) -> Iterator[GatewayProcess]:
        """A real web process over the same rows."""
        gateway = GatewayProcess({**self._environment, **settings}, log_path=self._folder / "gateway.log")
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()

    def kill_workload(self, workload: dict[str, Any]) -> None:
        """The engine dies, as if the kernel had chosen it."""
        for pid in workload["pids"]:
            os.kill(pid, signal.SIGKILL)

    def wait_for_engine_after(self, rows: dict[str, Any]) -> None:
        """Until the slot points to another engine than it did."""
        before = rows["slot"]["active_engine_id"]
        self.wait_until(lambda: self.look()["slot"]["active_engine_id"] not in (before, None))

    def wait_for_gpus(self, used_mib: int = 0) -> None:
        """Until the switcher has recorded both cards, and so much memory in use on one of them."""
        self.wait_until(lambda: self.order("find_gpus", used_mib=used_mib)["is_seen"])

    def wait_until(self, condition: Callable[[], Any]) -> None:
        wait_until(condition, timeout_s=20)

    @contextlib.contextmanager
    def busy_web_process(self, *, engine: str = "") -> Iterator[None]:
        """A web process that has acknowledged everything and still has an answer running, on this engine."""
        self.order("show_busy_web", is_busy=True, engine=engine)
        try:
            yield
        finally:
            self.order("show_busy_web", is_busy=False)

    def switcher_log(self) -> str:
        return (self._folder / "switcher.log").read_text(errors="replace")

    def close(self) -> None:
        for pid in list(self._alive):
            self.end_switcher(pid)
        self.order("end_engines")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextlib.contextmanager
def open_bench(stores: Stores, folder: Path, **settings: str) -> Iterator[SwitchBench]:
    own = {
        "AUTOSTART_PROFILE": "none",
        "SWITCHER_LEASE": LEASE_S,
        "SWITCHER_METRICS_PORT": "0",
        "SWITCH_DRAIN_TIMEOUT": "2",
        "ENGINE_IMAGES": "gateway-test/*:*,*/team/*:*",
        **OUT_OF_REACH,
        "LOG_FORMAT": "json",
        "PYTHONPATH": str(BASE_DIR),
        **settings,
    }
    with own_database(stores, folder) as common:
        environment = common | own
        bench = SwitchBench(_start_nursery(folder / "nursery.log", environment), folder, environment)
        try:
            yield bench
        finally:
            bench.close()


def _start_nursery(log_path: Path, environment: Mapping[str, str]) -> ForkedProcess:
    with log_path.open("wb") as log:
        return start_python(
            *("-m", "modelops.tests.switcher.nursery"),
            environment=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
