"""GPUs and disks: as they are seen here, or as the switcher sees them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from gateway.database.rows import is_postgresql
from gateway.doctor.docker_checks import ask_docker
from gateway.doctor.findings import RUN_IN_SWITCHER, Finding, FindingKind, VantagePoint
from gateway.doctor.reports import list_reporters, needs_docker, read_stored_gpus
from gateway.wording import fill_in
from modelops.domain.fit.specs import GIB
from modelops.hardware import HardwareReading, list_problems
from modelops.hardware.nvml import read_hardware
from modelops.hardware.problems import ProblemCode
from modelops.runtimes.process_environment import find_hub_cache

SMALLEST_FREE_BYTES = 2 * GIB
SMALLEST_FREE_SHARE = 0.05
SMALLEST_WEIGHTS_BYTES = 20 * GIB
"""Less has no room for one 7B model and what is fetched beside it."""


def check_gpus(place: VantagePoint) -> Iterator[Finding]:
    reading = read_hardware()
    if reading.gpus:
        yield from _judge_reading(reading, place.host, is_own=True)
        return
    seen = read_stored_gpus(place)
    for host, each in seen.items():
        yield from _judge_reading(each, host, is_own=False)
    if seen:
        return
    problem = reading.problem
    message = problem.message if problem else fill_in("There is no GPU.")
    advice = problem.advice if problem else ""
    is_switchers = any(each.host == place.host for each in list_reporters(place))
    if place.is_container and not place.sees_docker and not is_switchers:
        message = fill_in("No GPU is seen from here, and no switcher has reported one.")
        advice = fill_in("GPUs are seen by the switcher alone: {command}", command=RUN_IN_SWITCHER)
        yield Finding("gpus", FindingKind.UNKNOWN, message, advice)
    elif problem and problem.code is not ProblemCode.LIBRARY_MISSING:
        yield Finding("gpus", FindingKind.PROBLEM, message, advice, {"code": str(problem.code)})
    else:
        yield Finding("gpus", FindingKind.NOTE if needs_docker(place) else FindingKind.OK, message, advice)


def _judge_reading(reading: HardwareReading, host: str, *, is_own: bool) -> Iterator[Finding]:
    names = ", ".join(f"{gpu.index}: {gpu.name or '?'}" for gpu in reading.gpus)
    values = {"names": names, "driver": reading.driver_version or "?"}
    if is_own:
        message = fill_in("{names}; driver {driver}.", **values)
    else:
        message = fill_in("{names}; driver {driver}, as seen by the switcher on {host}.", host=host, **values)
    facts = {
        "driver": reading.driver_version,
        "cuda": reading.cuda_version,
        "gpus": [
            {
                "index": gpu.index,
                "name": gpu.name,
                "total_bytes": gpu.total_bytes,
                "free_bytes": gpu.free_bytes,
                "temperature_c": gpu.temperature_c,
            }
            for gpu in reading.gpus
        ],
    }
    yield Finding("gpus", FindingKind.OK, message, facts=facts)
    for problem in list_problems(reading):
        # Memory that others hold is often an engine of ours, whose processes only the switcher knows.
        verdict = FindingKind.NOTE if problem.code is ProblemCode.MEMORY_TAKEN else FindingKind.PROBLEM
        number = "" if problem.gpu_index is None else f".{problem.gpu_index}"
        yield Finding(f"gpus{number}.{problem.code}", verdict, problem.message, problem.advice)


def check_disks(place: VantagePoint) -> Iterator[Finding]:
    """Every place that grows. Two of them on one disk are told one by one, as they fill it together."""
    data = Path(place.config.data_dir)
    if is_postgresql():
        if place.has_database:
            yield _measure_postgres()
    else:
        yield _judge_folder("database", Path(connection.settings_dict["NAME"]).parent)
        yield _judge_folder("logs", data)
    if place.config.file_storage.endswith("FileSystemStorage"):
        yield _judge_folder("files", Path(settings.FILES_FOLDER))
    yield from _judge_weights(place)


def _measure_postgres() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size = int(cursor.fetchone()[0])
    return Finding(
        "disk.database",
        FindingKind.OK,
        fill_in(
            "The database holds {size} GiB; the disk that it is on is not seen from here.",
            size=f"{size / GIB:.2f}",
        ),
        fill_in(
            "To see it: {command}", command="docker compose exec postgres df -h /var/lib/postgresql/data"
        ),
        {"used_bytes": size},
    )


def _judge_weights(place: VantagePoint) -> Iterator[Finding]:
    docker, _reporter = ask_docker(place)
    if free := docker.get("free_bytes"):
        yield _judge_free(
            "weights", free, fill_in("Docker's disk, with images and weights"), SMALLEST_WEIGHTS_BYTES
        )
    elif docker and not docker.get("problem"):
        yield Finding(
            "disk.weights",
            FindingKind.UNKNOWN,
            fill_in("Docker's disk, with images and weights, is not seen from here."),
            fill_in("To see it, on the host: {command}", command="docker system df; df -h /var/lib/docker"),
        )
    cache = _find_existing(find_hub_cache(place.config, os.environ))
    if not place.is_container:
        yield _judge_folder("weights.process", cache, SMALLEST_WEIGHTS_BYTES)


def _judge_folder(name: str, folder: Path, smallest: int = SMALLEST_FREE_BYTES) -> Finding:
    there = _find_existing(folder)
    usage = shutil.disk_usage(there)
    found = _judge_free(
        name, usage.free, str(folder), max(smallest, round(usage.total * SMALLEST_FREE_SHARE))
    )
    # A container's user may be another one than the folder's owner.
    if name in ("files", "database", "logs") and not os.access(there, os.W_OK):
        return Finding(
            f"disk.{name}",
            FindingKind.PROBLEM,
            fill_in("{folder} cannot be written by user {uid}.", folder=there, uid=os.getuid()),
            fill_in("Give it to that user: chown -R {uid} {folder}", uid=os.getuid(), folder=there),
            found.facts,
        )
    return found


def _judge_free(name: str, free: int, folder: str, smallest: int) -> Finding:
    size = f"{free / GIB:.1f}"
    facts = {"free_bytes": free}
    if free >= smallest:
        message = fill_in("{folder}: {size} GiB are free.", folder=folder, size=size)
        return Finding(f"disk.{name}", FindingKind.OK, message, facts=facts)
    verdict = FindingKind.PROBLEM if free < SMALLEST_FREE_BYTES // 2 else FindingKind.NOTE
    return Finding(
        f"disk.{name}",
        verdict,
        fill_in("{folder}: only {size} GiB are free.", folder=folder, size=size),
        fill_in("Make room: docker system df names images and volumes that nobody uses."),
        facts,
    )


def _find_existing(folder: Path) -> Path:
    """The nearest folder above that exists: what is made later lies on its disk."""
    while not folder.exists():
        folder = folder.parent
    return folder
