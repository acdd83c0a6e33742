"""A private dockerd: own socket, data, containerd, bridge and address range, and no iptables rules.

It disturbs no other engine on the machine, and leaves no container, network, mount or process behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
from docker.errors import DockerException

from gateway.tests.live import wait_until
from gateway.tests.needs import NeedMissing

PROGRAMS = ("dockerd", "containerd", "runc", "docker-proxy", "docker-init", "ip")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
CLIENT_TIMEOUT_S = 60
PR_SET_PDEATHSIG = 1


class DockerMissing(NeedMissing):
    """No private engine can run here; the message says what is missing."""


def check_requirements() -> None:
    """Raises DockerMissing."""
    if os.geteuid() != 0:
        raise DockerMissing("dockerd needs root")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise DockerMissing(f"no {', '.join(missing)}: apt-get install docker.io iproute2")


class DockerEngine:
    """One dockerd. `host` is its address for DOCKER_HOST, `gateway_address` the host as containers see it.

    `hooks` is a folder to put first on dockerd's PATH. With `is_live_restoring`, containers run on while
    the engine is stopped. Not thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hooks: Path | None = None,
        is_live_restoring: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        check_requirements()
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._hooks = hooks
        self._arguments = [*arguments, *(["--live-restore"] if is_live_restoring else [])]
        self._bridge = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[docker.DockerClient] = []
        self._range = ipaddress.ip_network("10.0.0.0/16")

    @property
    def gateway_address(self) -> str:
        return str(self._range[1])

    def client(self) -> docker.DockerClient:
        """A new connection, closed when the engine is disposed of."""
        client = docker.DockerClient(base_url=self.host, timeout=CLIENT_TIMEOUT_S)
        self._clients.append(client)
        return client

    def start(self) -> None:
        """Start it, or start it again on the same data, and wait until it answers. Raises DockerMissing."""
        if not self._bridge:
            self._add_bridge()
            # In place of the machine's own /etc/docker/daemon.json.
            (self.folder / "daemon.json").write_text("{}")
        path = os.pathsep.join(filter(None, (str(self._hooks or ""), os.environ["PATH"])))
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PATH": path},
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DockerMissing(f"dockerd did not start:\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process; its data stays."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and answers nothing until the end of the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # Until each thread has taken notice one of them may still answer.
        wait_until(lambda: _has_stopped(self._process), what="every thread of the engine to stop")
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def dispose(self) -> None:
        """Remove containers and networks, end the engine, and undo every mount and the bridge."""
        with contextlib.suppress(DockerException, OSError):
            self._remove_everything()
        for client in self._clients:
            client.close()
        self.stop()
        _unmount_below(self.folder)
        if self._bridge:
            _ip("link", "delete", self._bridge)

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    @property
    def _log_path(self) -> Path:
        return self.folder / "dockerd.log"

    def _command(self) -> list[str]:
        folder = self.folder
        return [
            *("dockerd", "--host", self.host, "--pidfile", f"{folder}/pid"),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
            *("--config-file", f"{folder}/daemon.json", "--log-level", "warn"),
            *("--bridge", self._bridge, "--iptables=false", "--ip6tables=false", "--ip", "127.0.0.1"),
            *("--default-address-pool", f"base={list(self._range.subnets(1))[1]},size=24"),
            *("--ip-forward=false", "--max-download-attempts=1"),
        ]

    def _add_bridge(self) -> None:
        """A bridge in the first free 10.x range; as adding an interface is atomic, so is the choice."""
        for number in range(200, 250):
            self._range = ipaddress.ip_network(f"10.{number}.0.0/16")
            name = f"gwtest{number}"
            if _is_used(self._range) or not _ip("link", "add", name, "type", "bridge"):
                continue
            self._bridge = name
            _ip("address", "add", f"{self.gateway_address}/24", "dev", name)
            _ip("link", "set", name, "up")
            return
        raise RuntimeError("no address range is free for a test's Docker bridge")

    def _answers(self) -> bool:
        with contextlib.suppress(DockerException):
            client = docker.DockerClient(base_url=self.host, timeout=5)
            client.close()
            return True
        return False

    def _remove_everything(self) -> None:
        client = self.client()
        for container in client.containers.list(all=True, ignore_removed=True):
            container.remove(force=True, v=True)
        client.networks.prune()


def _end_with_parent() -> None:
    """Ask Linux to end dockerd when the test run dies, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _ip(*arguments: str) -> bool:
    """Whether `ip …` succeeded."""
    done = subprocess.run(["ip", *arguments], capture_output=True, check=False)
    return done.returncode == 0


def _is_used(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    routes = subprocess.run(["ip", "-4", "-json", "route"], capture_output=True, check=True).stdout
    destinations = [route["dst"] for route in json.loads(routes) if route["dst"] != "default"]
    return any(ipaddress.ip_network(text, strict=False).overlaps(network) for text in destinations)


def _unmount_below(folder: Path) -> None:
    """What a killed engine left mounted would make its folder impossible to delete."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False, capture_output=True)


def _has_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Whether SIGSTOP has reached all of its threads (proc_pid_stat(5))."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/stat")
    return all(thread.read_text().rpartition(") ")[2].startswith("T") for thread in threads)
