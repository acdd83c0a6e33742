"""`--gpu` and `--hardware`, as every command that asks about hardware has them."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError

from gateway.caller_language import say_here
from gateway.command_errors import report_failure, to_command_error
from gateway.errors import NotFound
from gateway.wording import fill_in
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.specs import MIB, Gpu
from modelops.fit.gpu_choice import GpuChoice, choose_given, choose_planned, choose_seen
from modelops.fit.profile_fits import READING_AGE_S, find_sampled_reading, get_hardware_profile
from modelops.hardware import HardwareReading

MOST_DIGITS = 9


def add_hardware_options(parser: ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--gpu",
        action="append",
        type=parse_gpu,
        metavar="NAME:TOTAL_MiB[:FREE_MiB]",
        help="A card, once for each; a card that is known needs only its name.",
    )
    choice.add_argument("--hardware", metavar="SLUG", help="A hardware profile instead of this machine.")


def choose_gpus(options: Mapping[str, Any]) -> GpuChoice:
    """The cards the options name, else those seen here. Raises CommandError."""
    if options["gpu"]:
        return choose_given([to_gpu(flag) for flag in options["gpu"]])
    if options["hardware"]:
        try:
            return choose_planned(get_hardware_profile(options["hardware"]).to_spec())
        except NotFound as exc:
            raise to_command_error(exc, about="--hardware") from exc
        except DatabaseError as exc:
            message = fill_in(
                "--hardware: the database cannot be read (run manage.py migrate): {problem}", problem=exc
            )
            raise report_failure(message) from exc
    return choose_seen(_find_reading())


def _find_reading() -> HardwareReading:
    """The sampler's reading if it is fresh, as it knows which processes are ours; else a reading of our own.

    A machine without GPUs that shares the database with one that has them goes by an older sample.
    """
    if sampled := find_sampled_reading():
        return sampled
    from modelops.hardware.nvml import read_hardware  # NVIDIA's library: most questions go without it

    reading = read_hardware()
    if reading.usable_gpus:
        return reading
    return find_sampled_reading(max_age_s=READING_AGE_S) or reading


def parse_gpu(text: str) -> dict[str, Any]:
    """`{"name", "total_mib", "free_mib"}`, as a fit question has it. Raises ArgumentTypeError."""
    name, *sizes = (part.strip() for part in text.split(":"))
    if not name or len(sizes) > 2:
        raise ArgumentTypeError(
            say_here(fill_in("expected NAME:TOTAL_MiB[:FREE_MiB], got {text}", text=repr(text)))
        )
    total = _parse_mib(sizes[0], text) if sizes else None
    free = _parse_mib(sizes[1], text) if len(sizes) == 2 else None
    if total is None and find_card(name) is None:
        raise ArgumentTypeError(
            say_here(
                fill_in(
                    "{name} is not a known card: add its memory, as in {plain}:24576",
                    name=repr(name),
                    plain=name,
                )
            )
        )
    if total == 0:
        raise ArgumentTypeError(
            say_here(fill_in("the total memory in {text} must be above zero", text=repr(text)))
        )
    if free is not None and total is not None and free > total:
        raise ArgumentTypeError(
            say_here(fill_in("more memory free than there is in {text}", text=repr(text)))
        )
    return {"name": name, "total_mib": total, "free_mib": free}


def _parse_mib(part: str, text: str) -> int:
    if not part.isascii() or not part.isdigit() or len(part) > MOST_DIGITS:
        raise ArgumentTypeError(
            say_here(
                fill_in("{part} in {text} is not a whole number of MiB", part=repr(part), text=repr(text))
            )
        )
    return int(part)


def to_gpu(flag: Mapping[str, Any]) -> Gpu:
    """The parsed flag as a card; the driver's total stands in for a missing one."""
    card, free = find_card(flag["name"]), flag["free_mib"]
    total = flag["total_mib"] if flag["total_mib"] is not None else card.driver_total_mib if card else 0
    return Gpu(flag["name"], total * MIB, None if free is None else free * MIB)
