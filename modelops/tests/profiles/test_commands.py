from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from gateway.conf import BASE_DIR, get_config
from modelops.domain.images import is_allowed_image
from modelops.models import ModelProfile
from modelops.profiles.reloading import reload_profiles

pytestmark = pytest.mark.django_db

SIMULATED_CONTAINERS = BASE_DIR / "fixtures/simulated_containers.yml"

GOOD = """\
profiles:
  - slug: good
    display_name: Good
    repository: somebody/good
    image: vllm/vllm-openai:v0.33.0
"""


def call(*arguments: Any) -> str:
    output = io.StringIO()
    call_command(*map(str, arguments), stdout=output)
    return output.getvalue()


def test_load_profiles_takes_the_shipped_file_by_default() -> None:
    first = json.loads(call("load_profiles", "--json"))
    second = call("load_profiles")

    assert len(first["created"]) == 12
    assert len(first["hardware_profiles"]["created"]) == 6
    assert (first["invalid"], first["dry_run"]) == ([], False)
    assert "unchanged: deepseek-r1-distill-qwen-14b" in second


def test_simulated_containers_come_beside_the_shipped_profiles() -> None:
    call("load_profiles")

    result = json.loads(call("load_profiles", SIMULATED_CONTAINERS, "--json"))

    assert result["created"] == ["simulated-container", "simulated-container-large"]
    assert ModelProfile.objects.enabled().count() == 14
    for profile in ModelProfile.objects.filter(slug__in=result["created"]):
        assert (profile.engine, profile.runtime) == ("simulator", "docker")
        assert is_allowed_image(profile.image, get_config().engine_images)


def test_a_bad_file_exits_with_2_and_all_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(GOOD + "    dtype: int3\n    colour: red\n")

    with pytest.raises(CommandError) as caught:
        call("load_profiles", path)

    assert caught.value.returncode == 2
    assert "line 6: good.dtype: must be one of" in str(caught.value)
    assert "line 7: good.colour: is not a field" in str(caught.value)
    assert not ModelProfile.objects.exists()


def test_mistakes_are_in_the_json_too(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(GOOD + "    dtype: int3\n")
    output = io.StringIO()

    with pytest.raises(CommandError):
        call_command("load_profiles", str(path), "--json", stdout=output)

    (mistake,) = json.loads(output.getvalue())["invalid"]
    assert (mistake["line"], mistake["slug"], mistake["field"]) == (6, "good", "dtype")


def test_drift_is_shown_and_force_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "good.yml"
    path.write_text(GOOD)
    call("load_profiles", path)
    ModelProfile.objects.update(max_num_seqs=7)

    kept = call("load_profiles", path)
    tried = call("load_profiles", path, "--force", "--dry-run")
    value_after_trial = ModelProfile.objects.get().max_num_seqs
    forced = call("load_profiles", path, "--force")

    assert "changed by hand, kept: good (max_num_seqs)" in kept
    assert "Dry run" in tried
    assert value_after_trial == 7
    assert "updated: good" in forced
    assert ModelProfile.objects.get().max_num_seqs is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"profiles: [\n"])
def test_a_file_that_cannot_be_read_is_an_error_not_a_crash(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "profiles.yml"
    if content is not None:
        path.write_bytes(content)

    result = reload_profiles(path)

    assert len(result.invalid) == 1
    assert result.serialise()["created"] == []


def test_export_profiles_writes_what_load_profiles_reads(tmp_path: Path) -> None:
    call("load_profiles")
    path = tmp_path / "export.yml"

    path.write_text(call("export_profiles", "phi3-mini", "simulated"))

    assert reload_profiles(path).profiles.unchanged == ("phi3-mini", "simulated")


def test_an_export_of_everything_has_the_hardware_profiles_too() -> None:
    call("load_profiles")

    exported = json.loads(call("export_profiles", "--json"))

    assert len(exported["profiles"]) == 12
    assert "dual-3090" in [each["slug"] for each in exported["hardware_profiles"]]


def test_exporting_what_does_not_exist_names_it() -> None:
    with pytest.raises(CommandError, match="no profile 'nobody'"):
        call("export_profiles", "nobody")
