"""What a runtime promises to the switcher, whatever it starts engines with.

All calls are synchronous, bounded in time and idempotent by the workload's name: after a crash the
switcher just repeats them. A runtime knows whether a process exists; whether its model is loaded is
`modelops.serving.engine_client`'s to find out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from gateway.wording import fill_in

SLOT_LABEL = "vllm-chat-gateway.slot"
"""Carries the slot's id, which no two databases share: what has it, and only that, is ours."""
GENERATION_LABEL = "vllm-chat-gateway.generation"
PROFILE_LABEL = "vllm-chat-gateway.profile"


@dataclass(frozen=True)
class Workload:
    """One engine to start. Its name holds slot and generation, so no two starts share one."""

    name: str
    slot_id: str
    generation: int
    profile: str
    is_simulated: bool
    """The command is the simulator's instead of vLLM's."""
    arguments: tuple[str, ...]
    """`serve MODEL --flag value …`; host and port are the runtime's to add."""
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """VLLM_API_KEY: given to the engine, never logged, labelled or stored."""
    hub_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """HF_TOKEN: given to what fetches the weights and never to the engine, which serves strangers."""
    image: str = ""
    """As the profile writes it, or `name@sha256:…` for exactly what ran before."""
    image_name: str = ""
    """As the profile writes it, where `image` is exactly what ran before."""
    gpu_uuids: tuple[str, ...] = ()
    """Empty: the engine gets no card."""
    accelerator_type: str = ""
    """The kind of cards that a cluster is to choose; empty for any."""
    replicas: int = 1
    max_replicas: int = 1
    """Engines that a cluster has of it, by load."""

    @property
    def labels(self) -> dict[str, str]:
        return {
            SLOT_LABEL: self.slot_id,
            GENERATION_LABEL: str(self.generation),
            PROFILE_LABEL: self.profile,
        }


class InstanceState(StrEnum):
    ABSENT = "absent"
    """No such workload: never started, or removed without a trace."""
    CREATED = "created"
    """It exists and has never run: a start that failed half-way."""
    RUNNING = "running"
    EXITED = "exited"
    """It ran, and what is left of it can be removed."""


@dataclass(frozen=True)
class Instance:
    """A workload as its runtime sees it now."""

    name: str
    state: InstanceState
    reference: str = ""
    """Container id, or process id with its start time."""
    base_url: str = ""
    """Where the engine will listen, `http://host:port`; known from the start on."""
    image_digest: str = ""
    """`name@sha256:…` where the image has one, else the image's own id."""
    exit_code: int | None = None
    was_oom_killed: bool = False
    started_at: datetime | None = None
    pids: tuple[int, ...] = ()
    """As NVML would name them (the host's), so that their GPU memory counts as ours."""
    labels: Mapping[str, str] = field(default_factory=dict)
    is_ready: bool | None = None
    """Whether the runtime itself says that the engine can serve; None where it cannot know."""


@dataclass(frozen=True)
class FetchProgress:
    """How far a prefetch is. Byte counts are None where nobody tells."""

    what: str
    done_bytes: int | None = None
    total_bytes: int | None = None


class RuntimeFailure(Exception):
    """A runtime could not do what it was asked. `code` is a `Cause` of modelops.domain.engine_log."""

    def __init__(self, message: str, *, code: str = "runtime_error") -> None:
        super().__init__(message)
        self.wording = message
        self.code = code


class ImageRefused(RuntimeFailure):
    """The image is none of ENGINE_IMAGES."""

    def __init__(self, image: str) -> None:
        super().__init__(fill_in("{image} is none of ENGINE_IMAGES.", image=image), code="image_refused")
        self.image = image


class RuntimeUnavailable(RuntimeFailure):
    """The runtime itself does not answer: nothing is known of its workloads. Passes, as a rule.

    The message says which runtime and what happened, `code` is the cause to record when a switch fails for
    it, and `advice` says what to do where the cause's own advice does not.
    """

    def __init__(self, message: str, *, code: str = "runtime_unavailable", advice: str = "") -> None:
        super().__init__(message, code=code)
        self.advice = advice


class LogFollower(Protocol):
    """Reads a workload's log (stdout and stderr in order of arrival) from its beginning on."""

    def read(self) -> list[str]:
        """The whole lines that came since the last call, without line ends; a carriage return ends a
        line too. Never blocks. After the workload's end the last unfinished line comes as well."""

    def close(self) -> None: ...


class Runtime(Protocol):
    """One way to run engines."""

    def describe(self) -> dict[str, Any]:
        """What a plan needs to know, as plain JSON values. Never raises: `{"problem": "…"}` instead.

        Keys: `problem` (empty when usable) and then its `code`, `id` and `host` of what holds the workloads
        where that is not this machine, `version`, `images` (tags, digests and ids present),
        `allowed_images` (ENGINE_IMAGES), `can_use_gpus` (None where nothing tells), `free_bytes` (disk for
        images or weights),
        `has_hf_token`, `vllm` (path of the program, empty without), `nodes` of a cluster and the
        `applications` on it that are ours (`modelops.domain.clusters`); those that apply.
        """

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        """Have image and weights here before anything is stopped; returns the image's digest or "".

        Blocks until done or `stop` is set (then what it returns means nothing, and what came so far is
        kept); called on a thread of its own. Raises RuntimeFailure.
        """

    def start(self, workload: Workload) -> Instance:
        """Start it, or answer the one of this name that runs already. Raises RuntimeFailure, also for one
        that has run and ended; what a failed start leaves behind is found by `status` and
        `list_instances`, and goes by `remove`."""

    def resize(self, workload: Workload) -> None:
        """Have as many engines of it as it says now, where the runtime places them itself; else nothing.

        What serves serves on. Raises RuntimeFailure.
        """

    def status(self, name: str) -> Instance:
        """Raises RuntimeUnavailable."""

    def ask_to_stop(self, name: str) -> None:
        """Send SIGTERM and return at once. Nothing happens where nothing runs."""

    def remove(self, name: str) -> None:
        """End it at once if need be (SIGKILL), and leave nothing behind; returns when it is gone."""

    def follow_log(self, name: str) -> LogFollower:
        """Raises RuntimeFailure where there is no such workload."""

    def list_instances(self, slot_id: str) -> Sequence[Instance]:
        """Everything that carries this slot's label, whatever its state. Raises RuntimeUnavailable."""

    def close(self) -> None:
        """Let go of connections and threads; workloads keep running."""
