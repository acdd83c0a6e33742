"""How a workload looks as a container: the options it is made with, and what an inspection says of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import DeviceRequest, LogConfig

from gateway.conf_engines import EngineConfig
from modelops.runtimes.base import Instance, InstanceState, Workload
from modelops.runtimes.weights import is_served_from_cache

ENGINE_PORT = 8000
REMOVE_TIMEOUT_S = 30.0
HUGGINGFACE_CACHE = "/root/.cache/huggingface"
VLLM_CACHE = "/root/.cache/vllm"
TLS_FOLDER = "/run/engine-tls"
_TLS_FLAGS = ["--ssl-certfile", f"{TLS_FOLDER}/tls.crt", "--ssl-keyfile", f"{TLS_FOLDER}/tls.key"]
DOWNLOAD_LABEL = "vllm-chat-gateway.download"
"""On the containers that fetch weights: the slot they do it for. They are no instances."""

# Of the image's own entrypoint older ones run the API server's module and newer ones `vllm serve`.
_VLLM = ["vllm"]
_SIMULATOR = ["python3", "-m", "modelops.simulator"]
_UNSPECIFIED = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
_LOG = LogConfig(type=LogConfig.types.JSON, config={"max-size": "32m", "max-file": "3"})
_MOST_PROCESSES = 16_384
"""Processes and threads of one container: about twice what eight cards and 256 cores come to."""
_NO_HEALTH_CHECK = {"test": ["NONE"]}
"""The image's own may ask another kind of process; the switcher asks the engine itself."""
_STATES = {
    "created": InstanceState.CREATED,
    "running": InstanceState.RUNNING,
    "paused": InstanceState.RUNNING,
    "restarting": InstanceState.RUNNING,
}


@dataclass(frozen=True)
class ContainerOptions:
    """Turns workloads into arguments of APIClient.create_container."""

    config: EngineConfig

    def engine(self, api: APIClient, workload: Workload, network: str) -> dict[str, Any]:
        """Started by hand never again: a dead engine is the switcher's to restart."""
        environment = {
            "VLLM_CACHE_ROOT": VLLM_CACHE,
            # The image asks for every card, which a default runtime of NVIDIA's would grant.
            **({} if workload.gpu_uuids else {"NVIDIA_VISIBLE_DEVICES": "void"}),
            **workload.environment,
            **workload.secret_environment,
        }
        address = self.config.engine_publish_address
        most_memory = f"{self.config.engine_memory_gib}g" if self.config.engine_memory_gib else None
        volumes = {self.config.vllm_cache: VLLM_CACHE}
        if is_served_from_cache(workload):
            # Read only: what serves strangers must not change the weights that the next engine loads.
            volumes[self.config.huggingface_cache] = f"{HUGGINGFACE_CACHE}:ro"
            environment = {"HF_HOME": HUGGINGFACE_CACHE} | environment | {"HF_HUB_OFFLINE": "1"}
        listening = ["--host", "0.0.0.0", "--port", str(ENGINE_PORT)]  # noqa: S104 - its own network's
        if self.config.engine_tls_folder:
            volumes[self.config.engine_tls_folder] = f"{TLS_FOLDER}:ro"
            listening += _TLS_FLAGS
        return {
            "image": workload.image,
            "name": workload.name,
            "entrypoint": _SIMULATOR if workload.is_simulated else _VLLM,
            "command": [*workload.arguments, *listening],
            "environment": environment,
            "labels": {**dict(self.config.engine_labels), **workload.labels},
            "ports": [ENGINE_PORT],
            "stop_signal": "SIGTERM",
            "healthcheck": _NO_HEALTH_CHECK,
            "host_config": api.create_host_config(
                **self._host(volumes, network),
                port_bindings={ENGINE_PORT: (address,)} if address else None,
                # Instead of the host's: enough for NCCL and vLLM's message queues, shared with nobody.
                shm_size=f"{self.config.engine_shm_gib}g",
                device_requests=_gpu_requests(workload.gpu_uuids),
                # Both alike: swapping would only make the engine slow.
                mem_limit=most_memory,
                memswap_limit=most_memory,
            ),
        }

    def download(
        self, api: APIClient, workload: Workload, network: str, command: list[str]
    ) -> dict[str, Any]:
        """A container that runs `python3 -c …` with the hub's settings, the token and the cache."""
        settings = {**workload.environment, **workload.hub_environment}
        return {
            "image": workload.image,
            "name": download_name(workload),
            "entrypoint": ["python3", "-c"],
            "command": command,
            "environment": {
                "HF_HOME": HUGGINGFACE_CACHE,
                "NVIDIA_VISIBLE_DEVICES": "void",
                **{name: value for name, value in settings.items() if is_for_hub(name)},
            },
            "labels": {**dict(self.config.engine_labels), DOWNLOAD_LABEL: workload.slot_id},
            "healthcheck": _NO_HEALTH_CHECK,
            "host_config": api.create_host_config(
                **self._host({self.config.huggingface_cache: HUGGINGFACE_CACHE}, network)
            ),
        }

    def _host(self, volumes: Mapping[str, str], network: str) -> dict[str, Any]:
        return {
            "binds": [f"{source}:{target}" for source, target in volumes.items()],
            "network_mode": network,
            "restart_policy": {"Name": "no"},
            "log_config": _LOG,
            # A first process that passes signals on: vLLM's own ignores them until it has loaded.
            "init": True,
            "cap_drop": ["ALL"],
            # A folder of the host belongs to whom it will, and root without this may not enter it. Volumes
            # are root's own.
            "cap_add": ["DAC_OVERRIDE"] if any(source.startswith("/") for source in volumes) else [],
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": _MOST_PROCESSES,
        }


def download_name(workload: Workload) -> str:
    return f"{workload.name}-download"


def is_for_hub(name: str) -> bool:
    return name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy")


def _gpu_requests(uuids: tuple[str, ...]) -> list[DeviceRequest] | None:
    return [DeviceRequest(device_ids=list(uuids), capabilities=[["gpu"]])] if uuids else None


def read_instance(
    attributes: Mapping[str, Any], *, image_digest: str, pids: tuple[int, ...], docker_address: str
) -> Instance:
    """What an inspection says. `docker_address` is the Docker host's, for ports published everywhere."""
    state = attributes["State"]
    kind = _STATES.get(state["Status"], InstanceState.EXITED)
    return Instance(
        name=attributes["Name"].lstrip("/"),
        state=kind,
        reference=attributes["Id"],
        base_url=_base_url(attributes, docker_address),
        image_digest=image_digest,
        exit_code=state["ExitCode"] if kind is InstanceState.EXITED else None,
        was_oom_killed=bool(state["OOMKilled"]),
        started_at=_read_time(state["StartedAt"]),
        pids=pids,
        labels=attributes["Config"]["Labels"] or {},
    )


def _base_url(attributes: Mapping[str, Any], docker_address: str) -> str:
    """By the published port if there is one, else by the container's address; empty while it has neither."""
    settings = attributes["NetworkSettings"]
    # By what it was started with, whatever the setting is by now.
    scheme = "https" if _TLS_FLAGS[0] in (attributes["Config"].get("Cmd") or ()) else "http"
    if bindings := (settings.get("Ports") or {}).get(f"{ENGINE_PORT}/tcp"):
        host = bindings[0]["HostIp"]
        if host in _UNSPECIFIED:
            host = docker_address or _UNSPECIFIED[host]
        return f"{scheme}://{_bracketed(host)}:{bindings[0]['HostPort']}"
    for network in (settings.get("Networks") or {}).values():
        if network.get("IPAddress"):
            return f"{scheme}://{network['IPAddress']}:{ENGINE_PORT}"
    return ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_time(text: str) -> datetime | None:
    """Docker's nanoseconds, cut to microseconds; the year 1 means never."""
    return None if text.startswith("0001") else datetime.fromisoformat(text)


def remove_container(api: APIClient, name: str) -> None:
    """Returns when it is gone with its anonymous volumes, whoever removed it. Raises the SDK's errors."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while True:
        try:
            api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except APIError as exc:
            # 409: somebody else's removal is under way.
            if exc.status_code != 409 or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
