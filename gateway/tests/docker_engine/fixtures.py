"""`docker_engine`, `simulator_image` and `gpu_docker_engine`; gateway.tests.plugin makes them known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.tests.needs import NeedMissing, skip_loudly

if TYPE_CHECKING:
    from gateway.tests.docker_engine.daemon import DockerEngine

SIMULATOR_IMAGE = "gateway-test/vllm:simulated"


@contextmanager
def open_docker_engine(**options: Any) -> Iterator[DockerEngine]:
    """A private engine until the end of the block; `options` are DockerEngine's. Raises NeedMissing."""
    from gateway.tests.docker_engine.daemon import DockerEngine

    # Not pytest's folder: its long paths and our sockets below them would exceed 108 bytes.
    with tempfile.TemporaryDirectory(prefix="gwd-") as folder:
        engine = DockerEngine(Path(folder), **options)
        try:
            engine.start()
            yield engine
        finally:
            engine.dispose()


@contextmanager
def run_docker_engine(**options: Any) -> Iterator[DockerEngine]:
    """The same for a fixture: skips loudly where no engine can run."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(open_docker_engine(**options))
        except NeedMissing as exc:
            skip_loudly("on a Docker engine", exc)
        yield engine


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """A real Docker engine without GPUs, shared by the whole run: remove what you start."""
    with run_docker_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def simulator_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The tarball of `simulator_image`, to import into further engines."""
    from gateway.tests.docker_engine.root_filesystem import write_root_filesystem

    path = tmp_path_factory.mktemp("image") / "root.tar"
    write_root_filesystem(path)
    yield path
    path.unlink()  # 130 MB, which pytest would keep for three runs


@pytest.fixture(scope="session")
def simulator_image(docker_engine: DockerEngine, simulator_root: Path) -> str:
    """An image on `docker_engine` whose `vllm` is the simulated engine."""
    from gateway.tests.docker_engine.root_filesystem import import_image

    return import_image(docker_engine.client(), simulator_root, SIMULATOR_IMAGE)


@pytest.fixture(scope="session")
def gpu_docker_engine(
    tmp_path_factory: pytest.TempPathFactory, simulator_root: Path
) -> Iterator[DockerEngine]:
    """A second engine, which grants requests for `nvidia_hook.GPU_UUIDS`. It has `SIMULATOR_IMAGE` too."""
    from gateway.tests.docker_engine.nvidia_hook import write_hook
    from gateway.tests.docker_engine.root_filesystem import import_image

    with run_docker_engine(hooks=write_hook(tmp_path_factory.mktemp("hooks"))) as engine:
        import_image(engine.client(), simulator_root, SIMULATOR_IMAGE)
        yield engine
