"""The doctor where a real Docker engine is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.conf import get_config
from gateway.doctor.docker_checks import check_docker, check_gpu_runtime, check_images
from gateway.doctor.findings import FindingKind, VantagePoint
from modelops.models import ModelProfile, Slot

if TYPE_CHECKING:
    from gateway.tests.docker_engine.daemon import DockerEngine

pytestmark = [pytest.mark.docker]

MISSING = ("127.0.0.1:9/nobody/one:v1", "127.0.0.1:9/nobody/two:v1")
"""Of a registry where nobody listens."""


@pytest.mark.django_db
def test_engine_images_and_registries_are_asked(docker_engine: DockerEngine, simulator_image: str) -> None:
    place = VantagePoint(config=replace(get_config(), docker_host=docker_engine.host))
    for slug, image in (("here", simulator_image), ("one", MISSING[0]), ("two", MISSING[1])):
        ModelProfile.objects.create(
            slug=slug, served_model_name=slug, repository="a/b", runtime="docker", image=image
        )
    Slot.objects.update_or_create(slug="default", defaults={"desired_profile": "two"})

    (docker,) = check_docker(place)
    (runtime,) = check_gpu_runtime(place)
    images = {each.id.removeprefix("images."): each for each in check_images(place)}

    assert docker.verdict is FindingKind.OK
    assert docker.facts["version"]
    assert runtime.verdict is FindingKind.NOTE
    assert images[simulator_image].verdict is FindingKind.OK
    # The one that a slot is to serve is asked about first, and its registry does not answer.
    assert images[MISSING[1]].verdict is FindingKind.PROBLEM
    assert images[MISSING[1]].facts["code"] == "registry_unreachable"
    assert images[MISSING[0]].verdict is FindingKind.NOTE
    assert "not asked" in images[MISSING[0]].advice
