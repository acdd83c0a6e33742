"""Two real Docker engines on one database: nobody judges what runs on the other one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from chat.tests.switching import callers_of
from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.docker_engine.fixtures import SIMULATOR_IMAGE, run_docker_engine
from gateway.tests.docker_engine.root_filesystem import import_image
from gateway.tests.live import wait_until
from modelops.switcher.loop import SLOTS_PERIOD_S
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_two_slots import ask

pytestmark = [pytest.mark.docker]


@dataclass
class TwoBoxes:
    """`bench` is on the first engine; a switcher of the second shares its database and data folder."""

    bench: SwitchBench
    first: DockerEngine
    second: DockerEngine

    def start_second_switcher(self) -> int:
        """The process id, once it has said of itself that it leaves the slot alone."""
        pid = self.bench.start_switcher(DOCKER_HOST=self.second.host)
        found: dict[str, Any] = wait_until(lambda: self.bench.find_switcher(pid), what="the second switcher")
        assert found["slots"] == []
        return pid

    def wait_for_harm(self, pid: int) -> None:
        """Until nobody has held the slot for longer than that switcher takes to look for slots again."""
        expires = self.bench.order("read_rows")["slot"]["lease_expires_at"]
        free_at = datetime.fromisoformat(expires) if expires else None
        begun: dict[str, Any] = self.bench.find_switcher(pid) or {}
        since = max(filter(None, (free_at, datetime.fromisoformat(begun["seen_at"]))))
        late = since + timedelta(seconds=SLOTS_PERIOD_S + 1)

        def has_looked() -> bool:
            found = self.bench.find_switcher(pid)
            return found is not None and datetime.fromisoformat(found["seen_at"]) > late

        wait_until(has_looked, timeout_s=30, what="the second switcher to have looked for slots again")


@pytest.fixture(scope="module")
def boxes(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    gpu_docker_engine: DockerEngine,
    simulator_root: Path,
) -> Iterator[TwoBoxes]:
    folder = tmp_path_factory.mktemp("boxes")
    with run_docker_engine(is_live_restoring=True) as first:
        image = import_image(first.client(), simulator_root, SIMULATOR_IMAGE)
        with open_bench(stores, folder, DOCKER_HOST=first.host, SWITCHER_LEASE="1") as bench:
            bench.save_profile("a", runtime="docker", image=image)
            yield TwoBoxes(bench, first, gpu_docker_engine)


@pytest.mark.parametrize("end", ["stops", "is killed", "loses its Docker engine"])
def test_second_switcher_on_another_docker_engine_harms_nothing_when_the_first(
    boxes: TwoBoxes, end: str
) -> None:
    bench = boxes.bench
    first = bench.start_switcher()
    bench.switch_and_settle("a")
    before = bench.look()
    second = boxes.start_second_switcher()

    if end == "loses its Docker engine":
        boxes.first.stop()
    bench.end_switcher(first, signal.SIGTERM if end == "stops" else signal.SIGKILL)
    boxes.wait_for_harm(second)
    if end == "loses its Docker engine":
        boxes.first.start()
    after = bench.look()
    notice = (bench.find_switcher(second) or {})["notice"]
    bench.end_switcher(second)

    assert serving(after) == serving(before)
    assert after["slot"]["problem"] is None
    assert httpx.get(f"{after['engines'][-1]['base_url']}/health").status_code == 200
    assert boxes.second.client().containers.list(all=True) == []
    assert notice.startswith("default belongs to ")
    assert before["slot"]["box"] in notice


def serving(rows: dict[str, Any]) -> tuple[Any, ...]:
    """What the slot points to, every engine that was ever started, and what runs."""
    return (
        rows["slot"]["active_engine_id"],
        [(each["id"], each["state"]) for each in rows["engines"]],
        [(each["name"], each["state"]) for each in rows["workloads"]],
    )


def test_switcher_that_begins_without_its_docker_engine_goes_on_when_that_is_back(boxes: TwoBoxes) -> None:
    bench = boxes.bench
    first = bench.start_switcher()
    bench.switch_and_settle("a")
    before = bench.look()
    bench.end_switcher(first)
    boxes.first.stop()

    first = bench.start_switcher()
    alone: dict[str, Any] = wait_until(lambda: bench.find_switcher(first), what="the switcher")
    boxes.first.start()
    wait_until(lambda: (bench.find_switcher(first) or {})["is_acting"], timeout_s=40, what="it to act again")
    after = bench.look()
    bench.end_switcher(first)

    assert alone["slots"] == []
    assert serving(after) == serving(before)


def write_certificate(folder: Path, address: str = "127.0.0.1") -> None:
    """One for this address, signed by itself, as docs/boxes.md makes it."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=engines", "-addext", f"subjectAltName=IP:{address}"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command, *files], check=True, capture_output=True)


@dataclass
class ServingBoxes:
    """Each box has a switcher and a slot that serves a model: `a` on the first, `b` on the second."""

    boxes: TwoBoxes
    switchers: dict[str, int]
    tls: Path
    """The folder of the second box's certificate: its engines are published, and reached by https."""

    SLOTS: ClassVar = {"first": "default", "second": "second"}

    def engine_of(self, box: str) -> DockerEngine:
        return self.boxes.first if box == "first" else self.boxes.second

    @property
    def authority(self) -> dict[str, str]:
        return {"ENGINE_CA_FILE": str(self.tls / "tls.crt")}

    def start(self, box: str) -> None:
        published = {"ENGINE_PUBLISH_ADDRESS": "127.0.0.1", "ENGINE_TLS_FOLDER": str(self.tls)}
        settings: dict[str, Any] = self.authority | (published if box == "second" else {})
        docker_host = self.engine_of(box).host
        self.switchers[box] = self.boxes.bench.start_switcher(DOCKER_HOST=docker_host, **settings)

    def read(self, box: str) -> dict[str, Any]:
        return self.boxes.bench.order("read_rows", slot=self.SLOTS[box])

    def serving(self, box: str) -> tuple[Any, ...]:
        """What the box's slot points to, every engine that was ever started there, and what runs."""
        rows = self.read(box)
        running = [each.name for each in self.engine_of(box).client().containers.list()]
        engines = [(each["id"], each["state"]) for each in rows["engines"]]
        return rows["slot"]["active_engine_id"], rows["slot"]["epoch"], engines, running

    def wait_for_harm(self, box: str) -> None:
        """Until the box's switcher has looked for slots and engines a few times since."""
        pid = self.switchers[box]
        since = datetime.fromisoformat((self.boxes.bench.find_switcher(pid) or {})["seen_at"])

        def has_looked() -> bool:
            found = self.boxes.bench.find_switcher(pid)
            late = since + timedelta(seconds=2 * SLOTS_PERIOD_S)
            return found is not None and datetime.fromisoformat(found["seen_at"]) > late

        wait_until(has_looked, timeout_s=40, what="the other switcher to have looked")


@pytest.fixture(scope="module")
def serving_boxes(boxes: TwoBoxes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingBoxes]:
    tls = tmp_path_factory.mktemp("tls")
    write_certificate(tls)
    bench, both = boxes.bench, ServingBoxes(boxes, {}, tls)
    bench.save_profile("b", runtime="docker", image=SIMULATOR_IMAGE)
    for box in ("first", "second"):
        both.start(box)
    found = wait_until(lambda: bench.find_switcher(both.switchers["second"]), what="the second switcher")
    bench.order("create_slot", name="second", box=found["box"], has_gpus=False)
    bench.switch_and_settle("a")
    assert bench.switch_and_settle("b", slot="second")["state"] == "active"
    yield both
    for pid in both.switchers.values():
        bench.end_switcher(pid)  # before its containers go, which it would start again
    for container in boxes.second.client().containers.list(all=True):
        container.remove(force=True)


@pytest.mark.parametrize(("lost", "other"), [("first", "second"), ("second", "first")])
def test_each_box_serves_its_model_and_the_end_of_one_leaves_the_other_untouched(
    serving_boxes: ServingBoxes, lost: str, other: str
) -> None:
    both, bench = serving_boxes, serving_boxes.boxes.bench
    models = {"first": "a", "second": "b"}
    before = both.serving(other)

    with bench.web_process(**both.authority) as web, callers_of(web) as callers:
        served = [ask(callers, model) for model in ("a", "b")]
        bench.end_switcher(both.switchers[lost])
        both.wait_for_harm(other)
        without_switcher = [ask(callers, model) for model in ("a", "b")]
        both.engine_of(lost).stop()
        both.wait_for_harm(other)
        without_docker = ask(callers, models[other])
        untouched = both.serving(other)
        both.engine_of(lost).start()
        both.start(lost)
        wait_until(lambda: ask(callers, models[lost]) == models[lost], timeout_s=60, what="it to be back")

    addresses = [engine["base_url"] for engine in both.read("second")["engines"]]
    assert all(url.startswith("https://127.0.0.1:") for url in addresses)
    assert served == without_switcher == ["a", "b"]
    assert without_docker == models[other]
    assert untouched == before == both.serving(other)
