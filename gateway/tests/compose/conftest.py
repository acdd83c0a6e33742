"""`project`: up, with a model that answers; shared by the tests of a module, which leave it so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.compose.docker_cli import DockerCli
from gateway.tests.compose.images import provide_images, served_wheels
from gateway.tests.compose.project import ComposeProject, make_project
from gateway.tests.compose.supplies import Supplies, get_supplies, has_compose
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.needs import NeedMissing, skip_loudly


@pytest.fixture(scope="session")
def supplies() -> Supplies:
    try:
        return get_supplies()
    except NeedMissing as exc:
        skip_loudly("by Docker Compose", exc)


@pytest.fixture(scope="session")
def built_project(supplies: Supplies, docker_engine: DockerEngine) -> Iterator[ComposeProject]:
    """A new folder with its `.env`, and on the engine every image that its services name."""
    environment = {"DOCKER_HOST": docker_engine.host, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "1"}
    if not has_compose():
        environment["DOCKER_CONFIG"] = str(supplies.docker_config)
    with tempfile.TemporaryDirectory(prefix="gwc-") as root:
        folder = Path(root) / "project"
        folder.mkdir()
        project = make_project(folder, environment, docker_engine.host.removeprefix("unix://"))
        with served_wheels(supplies.wheels) as wheels:
            provide_images(DockerCli(environment), supplies, wheels, Path(root))
            project.compose("build", "migrate")
        yield project


@pytest.fixture(scope="module")
def project(built_project: ComposeProject) -> Iterator[ComposeProject]:
    built_project.compose("up", "--detach")
    try:
        built_project.wait_for_model("simulated-container")
        yield built_project
    finally:
        built_project.compose("down", "--volumes", "--remove-orphans")
