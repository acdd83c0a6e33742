"""Images of a Docker engine: what is there, which digest it has, and pulling with progress."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from docker import APIClient
from docker.auth import get_config_header, resolve_repository_name
from docker.errors import APIError, DockerException, ImageNotFound, create_api_error_from_http_exception
from docker.types import CancellableStream
from docker.utils import parse_repository_tag

from gateway.wording import fill_in
from modelops.runtimes.base import FetchProgress, RuntimeFailure, RuntimeUnavailable
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_errors import failure_from_text, translated_errors

PULL_SILENCE_S = 600.0
"""A pull that says nothing for this long has failed."""
_WATCH_S = 0.1
_LAYER_IS_HERE = frozenset({"Download complete", "Verifying Checksum", "Extracting", "Pull complete"})


def find_digest(api: APIClient, image: str) -> str | None:
    """`name@sha256:…` of a present image, its own id where no registry knows it, None where it is absent."""
    try:
        attributes = inspect_image(api, image)
    except ImageNotFound:
        return None
    except APIError as exc:
        if exc.status_code == 400:  # invalid reference format
            return None
        raise
    return digest_of(attributes, image)


def list_names(api: APIClient, image: str) -> list[str] | None:
    """The tags and digests of a present image; None where it is absent."""
    try:
        attributes = inspect_image(api, image)
    except ImageNotFound:
        return None
    return [*(attributes.get("RepoTags") or []), *(attributes.get("RepoDigests") or [])]


def inspect_image(api: APIClient, image: str) -> dict[str, Any]:
    """Raises ImageNotFound and other errors of the SDK's."""
    attributes: dict[str, Any] = api.inspect_image(image)  # type: ignore[no-untyped-call]
    return attributes


def digest_of(attributes: Mapping[str, Any], image: str) -> str:
    """The digest under the repository that `image` names, if it has several."""
    repository, _ = parse_repository_tag(image)
    digests: list[str] = attributes.get("RepoDigests") or []
    matching = [digest for digest in digests if digest.startswith(f"{repository}@")]
    return next(iter([*matching, *digests]), str(attributes["Id"]))


def list_images(api: APIClient) -> list[str]:
    """Every tag, digest and id that a workload's image may name without a pull."""
    names: set[str] = set()
    for image in api.images():
        names.update(image.get("RepoTags") or [], image.get("RepoDigests") or [], [image["Id"]])
    return sorted(name for name in names if not name.startswith("<none>"))


def pull(
    connection: DockerConnection,
    image: str,
    report: Callable[[FetchProgress], None],
    stop: threading.Event,
) -> None:
    """Pull and report until it is done or `stop` is set. Raises RuntimeFailure."""
    if image.startswith("sha256:"):
        raise RuntimeFailure(
            fill_in(
                "The image {image} was removed and has no registry to come from: switch to the "
                "profile again.",
                image=image,
            ),
            code="image_missing",
        )
    progress = _PullProgress(fill_in("image {image}", image=image))
    api = connection.open_another()
    try:
        with (
            translated_errors(fill_in("to pull {image}", image=image)),
            _open_pull(api, image, stop) as messages,
        ):
            for message in messages:
                if error := message.get("error"):
                    raise failure_from_text(error, fill_in("to pull {image}", image=image), is_pull=True)
                if progress.take(message):
                    report(progress.seen())
    except RuntimeFailure as exc:
        if not stop.is_set():
            raise _as_pull_failure(exc, image) from exc
    finally:
        api.close()


@dataclass
class _PullProgress:
    what: str
    layers: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Bytes here and in all, by layer; the total comes with a layer's first bytes."""

    def take(self, message: Mapping[str, Any]) -> bool:
        """Whether this message of the engine changed anything."""
        layer, status = str(message.get("id", "")), message.get("status")
        before = self.layers.get(layer)
        if status == "Pulling fs layer":
            self.layers[layer] = (0, None)
        elif status == "Downloading" and (detail := message.get("progressDetail")):
            self.layers[layer] = (detail.get("current", 0), detail.get("total"))
        elif status in _LAYER_IS_HERE and before is not None and before[1] is not None:
            self.layers[layer] = (before[1], before[1])
        return self.layers.get(layer) != before

    def seen(self) -> FetchProgress:
        totals = [total for _, total in self.layers.values()]
        known = [total for total in totals if total is not None]
        return FetchProgress(
            self.what,
            done_bytes=sum(done for done, _ in self.layers.values()),
            total_bytes=sum(known) if len(known) == len(totals) else None,
        )


@contextlib.contextmanager
def _open_pull(api: APIClient, image: str, stop: threading.Event) -> Iterator[Iterator[dict[str, Any]]]:
    """The engine's messages. Not APIClient.pull: that one cannot be cut while it waits for the next."""
    repository, tag = parse_repository_tag(image)
    registry, _ = resolve_repository_name(repository)
    header = get_config_header(api, registry)
    response = api.post(
        f"{api.base_url}/v{api.api_version}/images/create",
        params={"fromImage": repository, "tag": tag or "latest"},
        headers={"X-Registry-Auth": header} if header else None,
        stream=True,
        timeout=(10, PULL_SILENCE_S),
    )
    with contextlib.closing(response):
        try:
            response.raise_for_status()
        except requests.HTTPError as exc:
            create_api_error_from_http_exception(exc)
        stream = CancellableStream(response.iter_lines(), response)
        with _cutting(stream, stop):
            yield (_decode(line) for line in stream if line)


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError as exc:
        raise RuntimeUnavailable(fill_in("The Docker engine broke off."), code="docker_unreachable") from exc
    return message


@contextlib.contextmanager
def _cutting(stream: CancellableStream[bytes], stop: threading.Event) -> Iterator[None]:
    """Cuts the stream when `stop` is set, which ends the pull in the engine too."""
    is_done = threading.Event()

    def watch() -> None:
        while not is_done.is_set():
            if stop.wait(_WATCH_S):
                with contextlib.suppress(DockerException, OSError, AttributeError):
                    stream.close()
                return

    watcher = threading.Thread(target=watch, name="pull watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        watcher.join()


def _as_pull_failure(failure: RuntimeFailure, image: str) -> RuntimeFailure:
    """An answer that the general table could not place is most likely the registry's."""
    if failure.code != "runtime_error":
        return failure
    return failure_from_text(str(failure), fill_in("to pull {image}", image=image), is_pull=True)
