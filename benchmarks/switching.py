"""What a switch costs on top of its engines: `python -m benchmarks.switching [--docker] [--rounds N]`.

Two figures. *Added*: from the request to the new model's being active, less what the engines themselves take
to end (SIGTERM to exit) and to start (spawn to /health), both measured apart in the same run. *Ready to
admitted*: from the moment the new engine's /health answers to the first byte of a chat that waited for it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.docker_engine.root_filesystem import import_image, write_root_filesystem
from modelops.simulator.process import start_simulator
from modelops.tests.switcher.bench import STARTUP_S, SwitchBench, open_bench

TICK_S = 0.002
IMAGE = "gateway-bench/vllm:simulated"


@dataclass(frozen=True)
class Round:
    """Seconds."""

    total_s: float
    states_s: dict[str, float]
    admitted_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker", action="store_true", help="engines in containers (needs root, dockerd)")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gwb-") as folder, contextlib.ExitStack() as stack:
        settings, profile = {}, {}
        if options.docker:
            engine = stack.enter_context(running_docker(Path(folder)))
            settings = {"DOCKER_HOST": engine.host}
            profile = {"runtime": "docker", "image": IMAGE}
            own = [time_container(engine) for _ in range(options.rounds)]
        else:
            own = [time_process() for _ in range(options.rounds)]
        start_s, stop_s = (statistics.median(each[i] for each in own) for i in (0, 1))
        rounds = measure(Path(folder), settings, profile, options.rounds)
    added = sorted(each.total_s - start_s - stop_s for each in rounds)
    admitted = sorted(each.admitted_s for each in rounds)
    print(f"engine alone, median of {len(own)}: start {start_s:.3f} s, stop {stop_s:.3f} s")
    print(f"switch, median of {len(rounds)}: {statistics.median(r.total_s for r in rounds):.3f} s in all")
    print(f"added: median {statistics.median(added):.3f} s (least {added[0]:.3f}, most {added[-1]:.3f})")
    print(
        f"ready to admitted: median {1000 * statistics.median(admitted):.0f} ms "
        f"(least {1000 * admitted[0]:.0f}, most {1000 * admitted[-1]:.0f})"
    )
    for state in rounds[0].states_s:
        spent = statistics.median(each.states_s.get(state, 0.0) for each in rounds)
        print(f"  {state:12} {spent:.3f} s")


def measure(folder: Path, settings: dict[str, str], profile: dict[str, Any], count: int) -> list[Round]:
    """Switches to and fro under one waiting request each."""
    data = folder / "bench"
    data.mkdir()
    with open_bench(Stores(), data, SWITCHER_LEASE="10", **settings) as bench:
        for slug in ("a", "b"):
            bench.save_profile(slug, **profile)
        bench.start_switcher()
        bench.switch_and_settle("a")
        with bench.web_process() as gateway, gateway.client() as client:
            return [measure_one(bench, client, ("b", "a")[index % 2]) for index in range(count)]


def measure_one(bench: SwitchBench, client: httpx.Client, profile: str) -> Round:
    answered: list[float] = []

    def ask() -> None:
        body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    answered.append(time.time())
                    return

    switch_id = bench.request(profile)
    bench.wait_for_state("loading")
    waiting = threading.Thread(target=ask)
    waiting.start()
    ready_at = wait_for_health(bench)
    bench.wait_until_settled()
    waiting.join(30)
    switch = bench.find_switch(switch_id)
    begun, ended = (datetime.fromisoformat(switch[name]) for name in ("created_at", "ended_at"))
    return Round((ended - begun).total_seconds(), switch["state_seconds"], answered[0] - ready_at)


def wait_for_health(bench: SwitchBench) -> float:
    """The moment at which the engine that is being started first answers."""
    url = next(each for each in bench.look()["engines"] if each["state"] == "starting")["base_url"]
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=1).status_code == 200:
                return time.time()
        time.sleep(TICK_S)


def time_process() -> tuple[float, float]:
    """(start, stop) of a simulated engine as a plain child process."""
    begun = time.perf_counter()
    with start_simulator("--sim-first-token-seconds", "0", startup_s=STARTUP_S) as engine:
        started_s = time.perf_counter() - begun
        begun = time.perf_counter()
        engine.process.terminate()
        engine.process.wait(10)
        return started_s, time.perf_counter() - begun


def time_container(engine: DockerEngine) -> tuple[float, float]:
    """The same as a container, by the Docker command line's own means: create, start, stop."""
    client = engine.client()
    begun = time.perf_counter()
    container = client.containers.create(
        IMAGE,
        entrypoint=["python3", "-m", "modelops.simulator"],
        command=[
            "serve",
            "x",
            "--host",
            "0.0.0.0",  # noqa: S104 - inside its container
            "--port",
            "8000",
            "--sim-startup-seconds",
            str(STARTUP_S),
        ],
        init=True,
    )
    container.start()
    container.reload()
    url = f"http://{container.attrs['NetworkSettings']['IPAddress']}:8000/health"
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=1).status_code == 200:
                break
        time.sleep(TICK_S)
    started_s = time.perf_counter() - begun
    begun = time.perf_counter()
    container.stop(timeout=10)
    container.remove()
    stopped_s = time.perf_counter() - begun
    client.close()
    return started_s, stopped_s


@contextlib.contextmanager
def running_docker(folder: Path) -> Iterator[DockerEngine]:
    place = folder / "docker"
    place.mkdir()
    engine = DockerEngine(place)
    try:
        engine.start()
        tarball = folder / "image.tar"
        write_root_filesystem(tarball)
        client = engine.client()
        import_image(client, tarball, IMAGE)
        client.close()
        yield engine
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
