"""Machines with made-up GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.tests.needs import skip_loudly
from modelops.tests.hardware.stub import CompilerMissing, StubMachine, compile_stub


@pytest.fixture(scope="session")
def stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _compile(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _compile(tmp_path_factory.mktemp("old-nvml"), "-DOLD_DRIVER")


@pytest.fixture
def machine(stub_library: Path, tmp_path: Path) -> StubMachine:
    """Two idle RTX 3090s."""
    return StubMachine(stub_library, tmp_path / "gpus.txt")


@pytest.fixture
def old_machine(old_stub_library: Path, tmp_path: Path) -> StubMachine:
    """The same with a driver that lacks what newer ones added."""
    return StubMachine(old_stub_library, tmp_path / "gpus.txt")


def _compile(folder: Path, *flags: str) -> Path:
    try:
        return compile_stub(folder, *flags)
    except CompilerMissing as exc:
        skip_loudly("on made-up GPUs", exc)
