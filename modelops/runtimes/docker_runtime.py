"""Engines in containers, on the Docker SDK."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from docker.errors import APIError, NotFound

from gateway.conf_engines import EngineConfig
from gateway.wording import fill_in
from modelops.domain.images import is_allowed_image, is_allowed_repository
from modelops.runtimes.base import (
    SLOT_LABEL,
    FetchProgress,
    ImageRefused,
    Instance,
    InstanceState,
    LogFollower,
    RuntimeFailure,
    Workload,
)
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_containers import ContainerOptions, read_instance, remove_container
from modelops.runtimes.docker_downloads import download_weights
from modelops.runtimes.docker_errors import translated_errors
from modelops.runtimes.docker_images import (
    digest_of,
    find_digest,
    inspect_image,
    list_images,
    list_names,
    pull,
)
from modelops.runtimes.docker_logs import DockerLogFollower
from modelops.runtimes.docker_networks import find_or_create_network
from modelops.runtimes.pid_cache import PidCache
from modelops.runtimes.weights import find_downloads

CREATE_TIMEOUT_S = 10.0
_HOOK = "nvidia-container-runtime-hook"


class DockerRuntime:
    """A Runtime. Connects when first used, so that a machine without Docker can build one. Thread-safe."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._connection = DockerConnection(config.docker_host)
        self._options = ContainerOptions(config)
        self._pids = PidCache()

    def describe(self) -> dict[str, Any]:
        try:
            with translated_errors(fill_in("to describe itself")):
                api = self._connection.api()
                info = api.info()
                return {
                    "problem": "",
                    **_identify(info),
                    "version": info["ServerVersion"],
                    "images": list_images(api),
                    "allowed_images": list(self._config.engine_images),
                    "can_use_gpus": self._can_use_gpus(info),
                    "has_hf_token": bool(self._config.hf_token),
                    **self._free_space(info["DockerRootDir"]),
                }
        except RuntimeFailure as exc:
            return {"problem": exc.wording, "code": exc.code}

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        self._check_image(workload)
        with translated_errors(fill_in("to look for {image}", image=workload.image)):
            digest = find_digest(self._connection.api(), workload.image)
        if digest is None:
            pull(self._connection, workload.image, report, stop)
            with translated_errors(fill_in("to look for {image}", image=workload.image)):
                digest = find_digest(self._connection.api(), workload.image)
        if stop.is_set():
            return ""
        if digest is None:
            raise RuntimeFailure(
                fill_in("The pull of {image} broke off.", image=workload.image), code="registry_unreachable"
            )
        for weights in find_downloads(workload):
            download_weights(self._connection, self._options, workload, weights, report, stop)
        return digest

    def start(self, workload: Workload) -> Instance:
        self._check_image(workload)
        instance = self.status(workload.name)
        if instance.state is InstanceState.ABSENT:
            instance = self._create(workload)
        _check_is_ours(instance, workload)
        if instance.state is InstanceState.EXITED:
            raise RuntimeFailure(
                fill_in(
                    "The container {name} has already run (code {exit_code}): remove it.",
                    name=workload.name,
                    exit_code=instance.exit_code,
                )
            )
        if instance.state is InstanceState.CREATED:
            with translated_errors(fill_in("to start {name}", name=workload.name)):
                self._connection.patient_api().start(workload.name)
            instance = self.status(workload.name)
        return instance

    def resize(self, workload: Workload) -> None:
        """Each workload is one engine."""

    def status(self, name: str) -> Instance:
        with translated_errors(fill_in("to inspect {name}", name=name)):
            try:
                attributes = self._connection.api().inspect_container(name)
            except NotFound:
                return Instance(name, InstanceState.ABSENT)
            return self._read(attributes)

    def ask_to_stop(self, name: str) -> None:
        with translated_errors(fill_in("to stop {name}", name=name)):
            try:
                self._connection.api().kill(name, "SIGTERM")
            except NotFound:
                return
            except APIError as exc:
                if exc.status_code != 409:  # 409: it does not run
                    raise

    def remove(self, name: str) -> None:
        with translated_errors(fill_in("to remove {name}", name=name)):
            remove_container(self._connection.patient_api(), name)

    def follow_log(self, name: str) -> LogFollower:
        instance = self.status(name)
        if instance.state is InstanceState.ABSENT:
            raise RuntimeFailure(fill_in("There is no container {name}.", name=name))
        return DockerLogFollower(self._connection, instance.reference)

    def list_instances(self, slot_id: str) -> Sequence[Instance]:
        with translated_errors(fill_in("to list containers")):
            found = self._connection.api().containers(all=True, filters={"label": f"{SLOT_LABEL}={slot_id}"})
        instances = [self.status(container["Id"]) for container in found]
        return [instance for instance in instances if instance.state is not InstanceState.ABSENT]

    def close(self) -> None:
        self._connection.close()

    def _check_image(self, workload: Workload) -> None:
        """Raises ImageRefused unless ENGINE_IMAGES allows it, by the profile's name and by its own."""
        allowed = self._config.engine_images
        name = workload.image_name or workload.image
        if not is_allowed_image(name, allowed):
            raise ImageRefused(name)
        if workload.image == name or is_allowed_repository([workload.image], allowed):
            return
        with translated_errors(fill_in("to look for {image}", image=workload.image)):
            names = list_names(self._connection.api(), workload.image)
        # One without any name was built here, and had one until a newer build took it.
        if names is None or (names and not is_allowed_repository(names, allowed)):
            raise ImageRefused(workload.image)

    def _read(self, attributes: Mapping[str, Any]) -> Instance:
        host, container_id = self._connection.host, attributes["Id"]
        pids: tuple[int, ...] = ()
        if attributes["State"]["Running"]:
            pids = self._pids.get(container_id, lambda: self._list_pids(container_id))
        return read_instance(
            attributes,
            image_digest=self._image_digest(attributes),
            pids=pids,
            docker_address="" if self._connection.is_local else urlsplit(host).hostname or "",
        )

    def _image_digest(self, attributes: Mapping[str, Any]) -> str:
        """Of the image that the container was made from, whatever its tag points to by now."""
        image_id = str(attributes["Image"])
        try:
            image = inspect_image(self._connection.api(), image_id)
        except NotFound:
            return image_id
        return digest_of(image, attributes["Config"]["Image"])

    def _list_pids(self, container_id: str) -> tuple[int, ...]:
        try:
            table = self._connection.api().top(container_id)
        except APIError:
            return ()  # it ended just now, or the Docker host has no `ps`
        column = table["Titles"].index("PID")
        return tuple(int(row[column]) for row in table["Processes"] or [])

    def _create(self, workload: Workload) -> Instance:
        with translated_errors(fill_in("to create {name}", name=workload.name)):
            api = self._connection.patient_api()
            network = find_or_create_network(api, self._config.engine_network)
            try:
                api.create_container(**self._options.engine(api, workload, network))
            except APIError as exc:
                if exc.status_code != 409:
                    raise
        return self._wait_for_creation(workload.name)

    def _wait_for_creation(self, name: str) -> Instance:
        """Somebody may have been faster: then the name is taken at once, and shows a little later."""
        deadline = time.monotonic() + CREATE_TIMEOUT_S
        while (instance := self.status(name)).state is InstanceState.ABSENT:
            if time.monotonic() > deadline:
                raise RuntimeFailure(
                    fill_in("The container {name} was removed while it was made.", name=name)
                )
            time.sleep(0.02)
        return instance

    def _can_use_gpus(self, info: Mapping[str, Any]) -> bool | None:
        """None where nothing of it shows: only a start would tell."""
        devices = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or []]
        if "nvidia" in (info.get("Runtimes") or {}) or any(d.startswith("nvidia.com/gpu") for d in devices):
            return True
        # Found on dockerd's own PATH; ours is as good a guess as there is.
        return True if self._connection.is_local and shutil.which(_HOOK) else None

    def _free_space(self, folder: str) -> dict[str, int]:
        """Where images and volumes lie, if that is this machine and we may look."""
        if not self._connection.is_local:
            return {}
        try:
            found = os.statvfs(folder)
        except OSError:
            return {}
        return {"free_bytes": found.f_bavail * found.f_frsize}


def _identify(info: Mapping[str, Any]) -> dict[str, str]:
    """Before Docker 23 the engines of one machine share the id, which lies in /etc/docker; never a folder."""
    if not info.get("ID"):
        return {}
    return {"id": f"{info['ID']} {info['DockerRootDir']}", "host": str(info.get("Name") or "")}


def _check_is_ours(instance: Instance, workload: Workload) -> None:
    if instance.labels.get(SLOT_LABEL) != workload.slot_id:
        raise RuntimeFailure(
            fill_in(
                "A container that is not ours has the name {name}: remove or rename it.", name=workload.name
            ),
            code="name_taken",
        )
