"""One driver with everything a test needs to run the scripted `vllm` on it."""

from __future__ import annotations

import io
import sys
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.conf import GatewayConfig
from gateway.ids import new_id
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.live import wait_until
from modelops.runtimes.base import Instance, InstanceState, LogFollower, Runtime, Workload
from modelops.runtimes.docker_runtime import DockerRuntime
from modelops.runtimes.process_runtime import ProcessRuntime
from modelops.runtimes.ray_runtime import RayRuntime

SCRIPT = Path(__file__).with_name("scripted_vllm.py")
SECRETS = {"VLLM_API_KEY": "key-secret-of-the-test"}
HUB_SECRETS = {"HF_TOKEN": "hf_secret-of-the-test"}


class Bench(ABC):
    """`runtime` is the one under test; `another` is what another process would build."""

    image = ""
    patience_s = 10.0

    def __init__(self) -> None:
        self.slot_id = str(new_id())
        self._made: list[Runtime] = []
        self._names: set[str] = set()
        self._followers: list[LogFollower] = []
        self.runtime = self.another()

    @abstractmethod
    def build(self) -> Runtime: ...

    def another(self) -> Runtime:
        runtime = self.build()
        self._made.append(runtime)
        return runtime

    def workload(self, behaviour: str = "wait", **values: Any) -> Workload:
        """A new one of this bench's slot, removed at the end of the test."""
        name = f"gateway-test-{new_id()}"
        self._names.add(name)
        defaults: dict[str, Any] = {
            "slot_id": self.slot_id,
            "generation": 7,
            "profile": "a-profile",
            "is_simulated": False,
            "arguments": ("serve", behaviour),
            "image": self.image,
        }
        return Workload(name=name, **(defaults | values))

    def start(self, behaviour: str = "wait", **values: Any) -> Workload:
        workload = self.workload(behaviour, **values)
        self.runtime.start(workload)
        return workload

    def follow(self, name: str) -> LogFollower:
        follower = self.runtime.follow_log(name)
        self._followers.append(follower)
        return follower

    def wait_for(self, name: str, state: InstanceState) -> Instance:
        def look() -> Instance | None:
            instance = self.runtime.status(name)
            return instance if instance.state is state else None

        what = f"{name} to be {state}"
        return wait_until(look, what=what, timeout_s=self.patience_s)  # type: ignore[no-any-return]

    def wait_for_line(self, name: str, text: str) -> list[str]:
        """The log up to the line that holds `text`, and what came with it."""
        return read_until(self.follow(name), lambda lines: any(text in line for line in lines))

    def read_log(self, name: str) -> list[str]:
        """The whole log of a workload that ends."""
        self.wait_for(name, InstanceState.EXITED)
        return read_until(self.follow(name), lambda lines: bool(lines) and lines[-1] == "the end")

    def dispose(self) -> None:
        for follower in self._followers:
            follower.close()
        for name in self._names:
            self.runtime.remove(name)
        for runtime in self._made:
            runtime.close()


def read_until(follower: LogFollower, is_enough: Callable[[list[str]], bool]) -> list[str]:
    lines: list[str] = []

    def look() -> bool:
        lines.extend(follower.read())
        return is_enough(lines)

    wait_until(look, what=f"the log to go on after {lines[-3:]}")
    return lines


class ProcessBench(Bench):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = GatewayConfig(
            data_dir=str(folder), vllm_command=str(_write_command(folder)), hf_token=HUB_SECRETS["HF_TOKEN"]
        )
        super().__init__()

    def build(self) -> ProcessRuntime:
        return ProcessRuntime(self.config)


class RayBench(Bench):
    """On a cluster the script is the simulated engine, in its behaviours `wait` and `exit-with-3`."""

    patience_s = 90.0

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.config = GatewayConfig(
            data_dir=str(folder),
            ray_dashboard_url=settings["RAY_DASHBOARD_URL"],
            ray_serve_url=settings["RAY_SERVE_URL"],
            drain_timeout_s=10,
        )
        super().__init__()

    def build(self) -> RayRuntime:
        return RayRuntime(self.config)

    def workload(self, behaviour: str = "wait", **values: Any) -> Workload:
        flags = {"wait": (), "exit-with-3": ("--no-such-flag",)}[behaviour]
        arguments = ("serve", "a-model", "--sim-startup-seconds", "0", *flags)
        return super().workload(behaviour, **({"is_simulated": True, "arguments": arguments} | values))


def _write_command(folder: Path) -> Path:
    path = folder / "vllm"
    path.write_text(f"#!{sys.executable}\n{SCRIPT.read_text()}")
    path.chmod(0o755)
    return path


class DockerBench(Bench):
    def __init__(self, engine: DockerEngine, image: str, **settings: Any) -> None:
        self.engine = engine
        self.image = image
        self.network = f"gateway-test-{new_id()}"
        defaults = {
            "docker_host": engine.host,
            "engine_network": self.network,
            "engine_images": ("*",),
            "huggingface_cache": "gateway-test-huggingface",
            "vllm_cache": "gateway-test-vllm",
            "hf_token": HUB_SECRETS["HF_TOKEN"],
        }
        self.config = GatewayConfig(**(defaults | settings))
        super().__init__()

    def build(self) -> DockerRuntime:
        return DockerRuntime(self.config)

    def inspect(self, name: str) -> dict[str, Any]:
        client = self.engine.client()
        return dict(client.api.inspect_container(name))

    def dispose(self) -> None:
        super().dispose()
        client = self.engine.client()
        for network in client.networks.list(names=[self.network]):
            network.remove()


def build_scripted_image(engine: DockerEngine, base: str, tag: str) -> str:
    """`base` with the scripted `vllm` in place of the simulator."""
    client = engine.client()
    container = client.containers.create(base)
    container.put_archive("/usr/local/bin", _tar("vllm", f"#!/opt/python/bin/python3\n{SCRIPT.read_text()}"))
    repository, _, version = tag.partition(":")
    container.commit(repository, version)
    container.remove()
    return tag


def _tar(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        content = text.encode()
        member.size, member.mode = len(content), 0o755
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
