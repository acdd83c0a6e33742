"""Fetching weights into this machine's Hugging Face cache, by a child process that can be ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from modelops.runtimes.base import FetchProgress
from modelops.runtimes.lines import LineSplitter
from modelops.runtimes.weights import DOWNLOAD_PROGRAM, DownloadOutput, Weights

POLL_S = 0.1
_CHUNK_BYTES = 64 * 1024


def download_weights(
    weights: Weights,
    environment: Mapping[str, str],
    report: Callable[[FetchProgress], None],
    stop: threading.Event,
) -> None:
    """Returns when they are there or `stop` is set; what came so far is kept. Raises RuntimeFailure."""
    output, splitter = DownloadOutput(weights, report), LineSplitter()
    with subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, str(DOWNLOAD_PROGRAM), weights.as_json()],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        descriptor = process.stdout.fileno()
        os.set_blocking(descriptor, False)
        try:
            while not stop.wait(POLL_S):
                exit_code = process.poll()
                output.take(splitter.feed(_read_waiting(descriptor)))
                if exit_code is not None:
                    output.take(splitter.finish())
                    output.check(exit_code)
                    return
        finally:
            process.kill()


def _read_waiting(descriptor: int) -> bytes:
    """What is in the pipe."""
    data = b""
    try:
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            data += chunk
    except BlockingIOError:
        pass
    return data
