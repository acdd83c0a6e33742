"""What the Docker SDK raises, as RuntimeFailure with a code and a word on what to do.

The only place that knows the engine's wordings; they differ between versions, so fragments are matched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker.errors import APIError, DockerException

from gateway.wording import FilledText, fill_in
from modelops.runtimes.base import RuntimeFailure, RuntimeUnavailable

DOCKER_ERRORS = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError)

# The first row that matches decides; fragments are lower case.
_CAUSES: tuple[tuple[tuple[str, ...], str, FilledText], ...] = (
    (
        ("device error", "unresolvable cdi devices", "unknown device"),
        "gpu_unavailable",
        fill_in("Docker does not know a GPU of this slot: compare the slot's GPUs with `nvidia-smi -L`"),
    ),
    (
        ("could not select device driver", "unknown runtime", "invalid runtime name", "nvidia-container"),
        "gpu_unavailable",
        fill_in(
            "Docker cannot give GPUs to containers: install the NVIDIA container toolkit, run "
            "`nvidia-ctk runtime configure --runtime=docker` and restart Docker"
        ),
    ),
    (
        ("no space left on device", "disk quota exceeded"),
        "no_disk",
        fill_in("Docker's disk is full: remove images or volumes that are not used (`docker system df`)"),
    ),
    (
        ("port is already allocated", "address already in use"),
        "port_in_use",
        fill_in("The port to publish is taken: free it, or change ENGINE_PUBLISH_ADDRESS"),
    ),
    (
        ("is already in use by container",),
        "name_taken",
        fill_in("Another container has the engine's name: remove or rename it"),
    ),
    (
        ("no such image", "manifest unknown", "manifest for", "invalid reference format"),
        "image_missing",
        fill_in("There is no such image: check the profile's image, or load it with `docker load`"),
    ),
    (
        ("toomanyrequests", "rate limit"),
        "registry_unreachable",
        fill_in("The registry limits pulls: wait, or log in with `docker login` on the Docker host"),
    ),
    (
        ("pull access denied", "unauthorized", "authentication required", "access denied", "forbidden"),
        "registry_denied",
        fill_in(
            "The registry refuses the image, or has none of that name: check it, or `docker login` where we "
            "run"
        ),
    ),
    (
        ("docker-init",),
        "runtime_error",
        fill_in(
            "The Docker engine lacks its `docker-init` program: install Docker completely, or the package "
            "`tini`"
        ),
    ),
)
# Only while pulling: elsewhere these words would be about something else.
_REGISTRY_FRAGMENTS = (
    *("dial tcp", "no such host", "connection refused", "connection reset", "timeout", "timed out", "eof"),
    *(
        "tls",
        "x509",
        "proxyconnect",
        "bad gateway",
        "service unavailable",
        "server error",
        "unexpected status",
    ),
    *("deadline exceeded", "http response to https client", "download failed", "network is unreachable"),
)


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Everything the SDK raises in the block becomes RuntimeFailure; `doing` is for the message."""
    try:
        yield
    except DOCKER_ERRORS as exc:
        raise to_failure(exc, doing) from exc


def to_failure(error: Exception, doing: str) -> RuntimeFailure:
    if isinstance(error, APIError) and error.response is not None:
        return failure_from_text(str(error.explanation or error), doing)
    return _unavailable(error)


def failure_from_text(text: str, doing: str, *, is_pull: bool = False) -> RuntimeFailure:
    """The failure that the engine's own words `text` stand for."""
    lower = text.lower()
    for fragments, code, advice in _CAUSES:
        if any(fragment in lower for fragment in fragments):
            return RuntimeFailure(_quote(advice, text), code=code)
    if is_pull and any(fragment in lower for fragment in _REGISTRY_FRAGMENTS):
        advice = fill_in(
            "The image's registry cannot be reached: check the network of the Docker host, or `docker load`"
        )
        return RuntimeFailure(_quote(advice, text), code="registry_unreachable")
    return RuntimeFailure(fill_in("Docker failed {doing}: {text}", doing=doing, text=text))


def _quote(advice: FilledText, text: str) -> FilledText:
    return fill_in("{advice}. Docker said: {text}", advice=advice, text=text)


def _unavailable(error: Exception) -> RuntimeUnavailable:
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes) or "Permission denied" in str(error):
        return RuntimeUnavailable(
            fill_in(
                "Docker's socket refuses us: let the switcher's user into the `docker` group (or what owns "
                "the socket), and start the switcher again."
            ),
            code="docker_permission",
        )
    return RuntimeUnavailable(
        fill_in(
            "The Docker engine does not answer: start it, or check DOCKER_HOST ({error}).", error=causes[-1]
        ),
        code="docker_unreachable",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what is behind it, outermost first; urllib3 keeps causes in its arguments."""
    current: BaseException | None = error
    while current is not None:
        yield current
        inner = [item for item in current.args if isinstance(item, BaseException)]
        current = current.__cause__ or current.__context__ or (inner[-1] if inner else None)
