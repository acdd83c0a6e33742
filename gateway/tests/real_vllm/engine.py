"""Start and end a real vLLM as a child process."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from modelops.simulator.process import find_free_port

from .install import Installation, ensure_installed

STARTUP_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.25
KV_CACHE_GIB = 1
LOG_TAIL_CHARS = 4000


class EngineStartError(RuntimeError):
    """vLLM exited or stayed silent instead of becoming healthy; the message ends with its log."""


@dataclass(frozen=True, kw_only=True)
class VllmEngine:
    """A running engine. `base_url` has no trailing slash and no `/v1`."""

    base_url: str
    served_model_name: str
    max_model_len: int
    log_path: Path
    process: subprocess.Popen[bytes]


@contextmanager
def start_vllm(
    *,
    served_model_name: str = "tiny",
    max_model_len: int = 1024,
    extra: Sequence[str] = (),
    installation: Installation | None = None,
) -> Iterator[VllmEngine]:
    """Yield an engine that answers /health; its whole process group is gone when the block ends.

    Blocks for the start (about 40 s), after installing vLLM if that has not been done. `extra` is passed
    to `vllm serve` as it stands. Raises InstallError or EngineStartError.
    """
    installation = installation or ensure_installed()
    port = find_free_port()
    log_path = installation.logs / f"vllm-{port}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        *(installation.vllm, "serve", installation.model, "--load-format", "dummy", "--enforce-eager"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--served-model-name", served_model_name, "--max-model-len", str(max_model_len)),
        *extra,
    ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            env=engine_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own process group: engine core and workers end with it
        )
    engine = VllmEngine(
        base_url=f"http://127.0.0.1:{port}",
        served_model_name=served_model_name,
        max_model_len=max_model_len,
        log_path=log_path,
        process=process,
    )
    try:
        await_health(engine)
        yield engine
    finally:
        end_process_group(process)


def engine_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """Return the parent's environment, made offline and fit for a small shared machine."""
    inherited = {name: value for name, value in parent.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    return inherited | {
        "VLLM_CPU_KVCACHE_SPACE": str(KV_CACHE_GIB),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        # The model is too small to gain from threads; unpinned, so that two engines may share a core.
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }


def await_health(engine: VllmEngine, *, timeout_s: float = STARTUP_TIMEOUT_S) -> None:
    """Return once /health answers 200; raise EngineStartError if the process ends or time runs out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (exit_code := engine.process.poll()) is not None:
            raise EngineStartError(f"vLLM exited with {exit_code} at start\n{log_tail(engine.log_path)}")
        with suppress(httpx.TransportError):
            if httpx.get(f"{engine.base_url}/health", timeout=POLL_INTERVAL_S * 4).is_success:
                return
        time.sleep(POLL_INTERVAL_S)
    raise EngineStartError(f"vLLM was not healthy after {timeout_s:.0f} s\n{log_tail(engine.log_path)}")


def log_tail(log_path: Path) -> str:
    """Return the end of the log."""
    return log_path.read_text(errors="replace")[-LOG_TAIL_CHARS:]


def end_process_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop, then kill whatever is left of its process group; idempotent.

    The kill is not a formality: vLLM's server waits for ever on a client that keeps a stream open.
    """
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
