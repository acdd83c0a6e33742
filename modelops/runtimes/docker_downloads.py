"""Fetching weights into the engines' cache volume, by a container of the engine's own image."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.wording import fill_in
from modelops.runtimes.base import FetchProgress, Workload
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_containers import DOWNLOAD_LABEL, ContainerOptions, remove_container
from modelops.runtimes.docker_errors import translated_errors
from modelops.runtimes.docker_logs import DockerLogFollower
from modelops.runtimes.docker_networks import find_or_create_network
from modelops.runtimes.weights import DOWNLOAD_PROGRAM, DownloadOutput, Weights

POLL_S = 0.1


def download_weights(
    connection: DockerConnection,
    options: ContainerOptions,
    workload: Workload,
    weights: Weights,
    report: Callable[[FetchProgress], None],
    stop: threading.Event,
) -> None:
    """Returns when they are there or `stop` is set; what came so far is kept. Raises RuntimeFailure."""
    output = DownloadOutput(weights, report)
    try:
        with translated_errors(fill_in("to download {repository}", repository=weights.repository)):
            _remove_leftovers(connection, workload.slot_id)
            api = connection.patient_api()
            network = find_or_create_network(api, options.config.engine_network)
            made = api.create_container(
                **options.download(api, workload, network, [DOWNLOAD_PROGRAM.read_text(), weights.as_json()])
            )
            api.start(made)
            exit_code = _watch(connection, made["Id"], output, stop)
        if not stop.is_set():
            output.check(exit_code)
    finally:
        with translated_errors(fill_in("to clear up after a download")):
            _remove_leftovers(connection, workload.slot_id)


def _watch(
    connection: DockerConnection, container_id: str, output: DownloadOutput, stop: threading.Event
) -> int | None:
    """The exit code; None when `stop` was set first."""
    log = DockerLogFollower(connection, container_id)
    try:
        while not stop.wait(POLL_S):
            state = connection.api().inspect_container(container_id)["State"]
            output.take(log.read())
            if not state["Running"]:
                output.take(log.read_to_end())
                return int(state["ExitCode"])
        return None
    finally:
        log.close()


def _remove_leftovers(connection: DockerConnection, slot_id: str) -> None:
    """Also a crashed switcher's: a slot prepares one workload at a time."""
    api = connection.patient_api()
    for container in api.containers(all=True, filters={"label": f"{DOWNLOAD_LABEL}={slot_id}"}):
        remove_container(api, container["Id"])
