"""A `vllm` that behaves as its model's name says; the same file runs as a process and in an image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def wait() -> None:
    print("waiting", flush=True)
    while True:
        time.sleep(3600)


def exit_on_sigterm() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(5))
    wait()


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: print("not yet", flush=True))
    wait()


def exit_with_3() -> None:
    sys.exit(3)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def print_a_log() -> None:
    """Both streams, a progress bar, a character in two pieces, a long line, a last one without its end."""
    out = sys.stdout.buffer
    out.write(b"first of stdout\n")
    out.flush()
    sys.stderr.write("\rloading 50%\rloading 100%\n")
    sys.stderr.flush()
    out.write("caf\u00e9".encode()[:-1])
    out.flush()
    out.write("\u00e9\r\n".encode()[1:])
    out.write(b"x" * 40_000 + b"\n")
    out.write(b"the end")
    out.flush()


def log_until_sigterm() -> None:
    """Ends on a line without its end."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("stopped"))
    print_a_log()
    print(flush=True)
    wait()


def print_environment() -> None:
    for name, value in sorted(os.environ.items()):
        print(f"{name}={value}", flush=True)


def start_a_child() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", "child-of-the-engine"])
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    wait()


def fill_memory() -> None:
    held = []
    while True:
        held.append(b"m" * 2**20)


def fill_memory_when_told() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: fill_memory())
    wait()


def try_what_is_forbidden() -> None:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(("CapEff", "CapBnd", "NoNewPrivs")):
                print(*line.split(), flush=True)
    for folder in ("/root/.cache/huggingface", "/root/.cache/vllm"):
        try:
            with open(f"{folder}/written", "w"):
                print(f"wrote to {folder}", flush=True)
        except OSError as exc:
            print(f"{folder}: {exc.strerror}", flush=True)
    print("the end", flush=True)


BEHAVIOURS = {
    function.__name__.replace("_", "-"): function
    for function in (
        wait,
        exit_on_sigterm,
        ignore_sigterm,
        exit_with_3,
        kill_itself,
        print_a_log,
        log_until_sigterm,
        print_environment,
        start_a_child,
        fill_memory,
        fill_memory_when_told,
        try_what_is_forbidden,
    )
}

if __name__ == "__main__":
    BEHAVIOURS[sys.argv[2]]()
