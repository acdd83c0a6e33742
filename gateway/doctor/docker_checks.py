"""The Docker engine, whether it can give GPUs to containers, and the images of the profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone
from docker.errors import APIError

from gateway.doctor.findings import RUN_IN_SWITCHER, Finding, FindingKind, VantagePoint
from gateway.doctor.reports import list_reporters, needs_docker
from gateway.wording import fill_in
from modelops.domain.runtimes import RUNTIMES, RuntimeKind
from modelops.models import ModelProfile, Slot, SwitcherPresence
from modelops.runtimes.base import RuntimeFailure
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_errors import DOCKER_ERRORS, failure_from_text
from modelops.runtimes.docker_runtime import DockerRuntime

NAMED_IMAGES = 20
"""Each that is missing costs a question to its registry."""
ABOUT_THE_IMAGE = frozenset({"image_missing", "registry_denied"})
"""Answers of a registry that is well."""


def ask_docker(place: VantagePoint) -> tuple[Mapping[str, Any], SwitcherPresence | None]:
    """What Docker says of itself, here or else as a switcher reported it; empty where nobody knows."""
    if place.sees_docker:
        runtime = DockerRuntime(place.config)
        try:
            return runtime.describe(), None
        finally:
            runtime.close()
    for presence in list_reporters(place):
        if facts := presence.facts.get(RuntimeKind.DOCKER):
            return facts, presence
    return {}, None


def check_docker(place: VantagePoint) -> Iterator[Finding]:
    facts, reporter = ask_docker(place)
    if not facts:
        yield Finding("docker", FindingKind.UNKNOWN, *_explain_unseen(place))
        return
    shown = {name: facts[name] for name in ("version", "host", "code") if facts.get(name)}
    if facts.get("problem"):
        yield _judge_docker_problem(place, facts, reporter, shown)
        return
    message = fill_in("Docker {version} answers.", version=facts.get("version", "?"))
    if reporter is not None:
        message = fill_in(
            "Docker {version} answers the switcher on {host}, as it said {seconds} s ago. This process does "
            "not see Docker, and is not meant to.",
            version=facts.get("version", "?"),
            host=reporter.host,
            seconds=_age_s(reporter),
        )
    yield Finding("docker", FindingKind.OK, message, facts=shown)


def _judge_docker_problem(
    place: VantagePoint, facts: Mapping[str, Any], reporter: SwitcherPresence | None, shown: Mapping[str, Any]
) -> Finding:
    message: str = facts["problem"]
    advice: str = ""
    if facts.get("code") == "docker_permission" and place.sees_docker:
        group = _find_group(place)
        ours = sorted({os.getgid(), *os.getgroups()})
        if group is not None:
            advice = fill_in(
                "The socket belongs to group {group}, and this process is in {ours}. In .env set "
                "DOCKER_GID={group}, then docker compose up -d switcher; without containers: "
                "usermod -aG docker USER.",
                group=group,
                ours=", ".join(map(str, ours)),
            )
            shown = {**shown, "socket_group": group, "own_groups": ours}
    elif facts.get("code") == "docker_unreachable":
        advice = fill_in("systemctl status docker tells whether it runs; DOCKER_HOST names another one.")
    if reporter is not None and reporter.host != place.host:
        advice = fill_in(
            "The switcher on {host} says so. There, {command} says more.",
            host=reporter.host,
            command=RUN_IN_SWITCHER,
        )
    verdict = FindingKind.PROBLEM if needs_docker(place) else FindingKind.NOTE
    return Finding("docker", verdict, message, advice, shown)


def _find_group(place: VantagePoint) -> int | None:
    try:
        return place.docker_socket.stat().st_gid
    except OSError:
        return None


def _explain_unseen(place: VantagePoint) -> tuple[str, str]:
    message = fill_in(
        "There is no Docker socket here ({path}), and no switcher has reported one.", path=place.docker_socket
    )
    if place.is_container:
        return message, fill_in(
            "Only the switcher's container has the socket: {command}", command=RUN_IN_SWITCHER
        )
    return message, fill_in("Profiles in containers need Docker: install it, or name it by DOCKER_HOST.")


def check_gpu_runtime(place: VantagePoint) -> Iterator[Finding]:
    """The NVIDIA Container Toolkit, by what Docker says of its runtimes and devices."""
    facts, _reporter = ask_docker(place)
    if not facts or facts.get("problem"):
        yield Finding(
            "gpu_runtime", FindingKind.UNKNOWN, fill_in("Only Docker knows, and it does not answer.")
        )
        return
    can_use = facts.get("can_use_gpus")
    traits = RUNTIMES[RuntimeKind.DOCKER]
    if can_use:
        yield Finding("gpu_runtime", FindingKind.OK, fill_in("Docker can give GPUs to containers."))
    elif can_use is None:
        yield Finding(
            "gpu_runtime",
            FindingKind.NOTE,
            fill_in("Docker shows no NVIDIA runtime; only a start would tell."),
            fill_in(
                "With a GPU, install the NVIDIA Container Toolkit, run nvidia-ctk runtime configure "
                "--runtime=docker and restart Docker. Without one this is right: the simulated engine "
                "needs none."
            ),
        )
    else:
        yield Finding("gpu_runtime", FindingKind.PROBLEM, traits.gpu_problem, traits.gpu_advice)


def check_images(place: VantagePoint) -> Iterator[Finding]:
    """The image of what is to be served, and of the other profiles that are offered."""
    profiles = ModelProfile.objects.enabled().filter(runtime=RuntimeKind.DOCKER)
    by_image: dict[str, list[str]] = {}
    for image, slug in profiles.order_by("slug").values_list("image", "slug"):
        by_image.setdefault(image, []).append(slug)
    if not by_image:
        yield Finding("images", FindingKind.OK, fill_in("No profile that is offered needs an image."))
        return
    facts, reporter = ask_docker(place)
    if not facts or facts.get("problem"):
        yield Finding("images", FindingKind.UNKNOWN, fill_in("Only Docker knows, and it does not answer."))
        return
    present = set(facts.get("images", ()))
    can_ask = reporter is None
    for image, slugs in _order(by_image):
        if image in present or f"{image}:latest" in present:
            yield Finding(f"images.{image}", FindingKind.OK, fill_in("{image} is here.", image=image))
            continue
        failure = _ask_registry(place, image) if can_ask else None
        yield _judge_missing(place, image, slugs, failure, was_asked=can_ask)
        # One that does not answer costs seconds; the next would cost them again.
        can_ask = can_ask and (failure is None or failure.code in ABOUT_THE_IMAGE)


def _order(by_image: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    """What slots are to serve first: it matters most, and not every registry may be asked."""
    desired = set(Slot.objects.values_list("desired_profile", flat=True))
    ordered = sorted(by_image.items(), key=lambda each: desired.isdisjoint(each[1]))
    return ordered[:NAMED_IMAGES]


def _judge_missing(
    place: VantagePoint, image: str, slugs: list[str], failure: RuntimeFailure | None, *, was_asked: bool
) -> Finding:
    id_, facts = f"images.{image}", {"image": image, "profiles": slugs}
    profiles = ", ".join(slugs)
    if failure is not None:
        message = fill_in(
            "{image} is not here and cannot be pulled ({profiles}): {problem}",
            image=image,
            profiles=profiles,
            problem=failure.wording,
        )
        advice = fill_in(
            "Check the name, the network and docker login; on a closed network, docker load brings it."
        )
        kind = FindingKind.PROBLEM if _is_wanted(slugs) else FindingKind.NOTE
        return Finding(id_, kind, message, advice, {**facts, "code": failure.code})
    if was_asked:
        message = fill_in("{image} is not here yet, and its registry has it.", image=image)
        advice = fill_in("docker pull {image} spares the first switch the wait.", image=image)
        return Finding(id_, FindingKind.OK, message, advice, facts)
    message = fill_in("{image} is not here yet ({profiles}).", image=image, profiles=profiles)
    advice = fill_in("A switch pulls it. Whether that works is told by {command}", command=RUN_IN_SWITCHER)
    if place.sees_docker:
        advice = fill_in("Its registry was not asked, since another question had no answer.")
    return Finding(id_, FindingKind.NOTE, message, advice, facts)


def _is_wanted(slugs: list[str]) -> bool:
    return Slot.objects.filter(desired_profile__in=slugs).exists()


def _ask_registry(place: VantagePoint, image: str) -> RuntimeFailure | None:
    """Whether a pull would find the image, asked through Docker; nothing is pulled."""
    connection = DockerConnection(place.config.docker_host)
    try:
        connection.api().inspect_distribution(image)  # type: ignore[no-untyped-call]
    except DOCKER_ERRORS as exc:
        text = str(exc.explanation or exc) if isinstance(exc, APIError) else str(exc)
        return failure_from_text(text[:300], fill_in("to look for {image}", image=image), is_pull=True)
    except RuntimeFailure as exc:
        return exc
    finally:
        connection.close()
    return None


def _age_s(presence: SwitcherPresence) -> int:
    return max(round((timezone.now() - presence.seen_at).total_seconds()), 0)
