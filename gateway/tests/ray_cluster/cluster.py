"""Two Ray nodes on this machine, on ports of their own, ended by their pids: `ray stop` ends others', too."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.tests.live import wait_until
from gateway.tests.needs import PROJECT, NeedMissing
from modelops.simulator.process import find_free_port

START_TIMEOUT_S = 120.0
END_TIMEOUT_S = 4.0
NODES = 2
CPUS_EACH = 2
CARDS_EACH = 2
ACCELERATOR = "RTX3090"
MARK = "GATEWAY_TEST_RAY_CLUSTER"
"""A variable that every process of the cluster inherits: what is left of it at the end is found by it."""
HOST = "127.0.0.1"
THEIRS = "theirs"


@dataclass
class RayCluster:
    """`dashboard_url` answers; Ray Serve starts with the first application, at `serve_url`."""

    programs: Path
    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    dashboard_port: int = field(default_factory=lambda: find_free_port())
    serve_port: int = field(default_factory=lambda: find_free_port())
    control_port: int = field(default_factory=lambda: find_free_port())
    _nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def dashboard_url(self) -> str:
        return f"http://{HOST}:{self.dashboard_port}"

    @property
    def serve_url(self) -> str:
        return f"http://{HOST}:{self.serve_port}"

    @property
    def settings(self) -> dict[str, str]:
        """Of a gateway that uses it."""
        return {"RAY_DASHBOARD_URL": self.dashboard_url, "RAY_SERVE_URL": self.serve_url}

    def start(self) -> None:
        """Raises NeedMissing where it does not come up."""
        head = ["--head", "--port", str(self.control_port), "--temp-dir", str(self.folder)]
        head += ["--dashboard-host", HOST, "--dashboard-port", str(self.dashboard_port)]
        self._start_node(*head, "--ray-client-server-port", str(find_free_port()))
        with self._explained():
            wait_until(self.find_nodes, timeout_s=START_TIMEOUT_S, poll_s=0.1, what="the head node")
        for _ in range(NODES - 1):
            self._start_node("--address", f"{HOST}:{self.control_port}")
        with self._explained():
            wait_until(
                lambda: self.find_nodes() == NODES, timeout_s=START_TIMEOUT_S, poll_s=0.1, what="both nodes"
            )

    def find_nodes(self) -> int:
        """How many nodes are alive; 0 while the dashboard does not answer."""
        try:
            answer = httpx.get(f"{self.dashboard_url}/api/v0/nodes", timeout=5, trust_env=False).json()
            return sum(node["state"] == "ALIVE" for node in answer["data"]["result"]["result"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return 0

    def list_applications(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.dashboard_url}/api/serve/applications/", timeout=10, trust_env=False)
        applications: dict[str, Any] = answer.json()["applications"]
        return applications

    def deploy_theirs(self) -> None:
        """An application that no gateway deployed: the simulated engine on one processor."""
        options = {"num_replicas": 1, "ray_actor_options": {"num_cpus": 1}}
        application = {
            "name": THEIRS,
            "route_prefix": f"/{THEIRS}",
            "import_path": "modelops.simulator.ray_app:build",
            "args": {"arguments": ["serve", THEIRS, "--sim-startup-seconds", "0"], "options": options},
            "runtime_env": {"env_vars": {"PYTHONPATH": str(PROJECT)}},
        }
        answer = httpx.put(
            f"{self.dashboard_url}/api/serve/applications/",
            json={
                "proxy_location": "HeadOnly",
                "http_options": {"host": HOST, "port": self.serve_port},
                "applications": [application],
            },
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        wait_until(lambda: self.list_applications()[THEIRS]["status"] == "RUNNING", timeout_s=60, what=THEIRS)

    def stop(self) -> None:
        for how in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + END_TIMEOUT_S
            while pids := self._list_pids():
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, how)
                for node in self._nodes:
                    node.poll()
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        for node in self._nodes:
            node.wait(END_TIMEOUT_S)

    def _start_node(self, *arguments: str) -> None:
        command: list[str | Path] = [
            self.programs / "ray",
            "start",
            "--block",
            "--disable-usage-stats",
            *arguments,
        ]
        command += ["--node-ip-address", HOST, "--num-cpus", str(CPUS_EACH), "--num-gpus", str(CARDS_EACH)]
        command += ["--resources", f'{{"accelerator_type:{ACCELERATOR}": 1}}']
        command += ["--object-store-memory", "100000000", "--min-worker-port", "0", "--max-worker-port", "0"]
        command += ["--dashboard-agent-listen-port", str(find_free_port())]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        own = {
            MARK: self.mark,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_DEDUP_LOGS": "0",
        }
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._nodes.append(
                subprocess.Popen(
                    command,
                    env=kept | own,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except AssertionError as exc:
            log = (self.folder.parent / f"{self.folder.name}.log").read_text(errors="replace")
            raise NeedMissing(f"Ray does not start: {exc}\n{log[-2000:]}") from exc

    def _list_pids(self) -> list[int]:
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found


@contextlib.contextmanager
def start_cluster(programs: Path) -> Iterator[RayCluster]:
    """Raises NeedMissing. The folder's path is short, as Ray makes sockets below it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    cluster = RayCluster(programs, folder / "t")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
