"""Why an engine did not start, or ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SHORTEST_RETRY_TOKENS = 1024
"""Nobody asked for a model with less context than this, so it is offered, not chosen for him."""


class Cause(StrEnum):
    # Told by the engine's log or by how it ended
    GPU_OCCUPIED = "gpu_occupied"
    GPU_OUT_OF_MEMORY = "gpu_out_of_memory"
    NO_ROOM_FOR_KV = "no_room_for_kv"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTEXT_BEYOND_POSITIONS = "context_beyond_positions"
    HEADS_NOT_DIVISIBLE = "heads_not_divisible"
    TOO_FEW_GPUS = "too_few_gpus"
    GPU_TOO_OLD = "gpu_too_old"
    DRIVER_TOO_OLD = "driver_too_old"
    GPU_FAILED = "gpu_failed"
    NCCL_FAILED = "nccl_failed"
    GATED_REPO = "gated_repo"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - a cause, not a secret
    REPOSITORY_MISSING = "repository_missing"
    REVISION_MISSING = "revision_missing"
    HUB_UNREACHABLE = "hub_unreachable"
    FILES_MISSING = "files_missing"
    TOKENIZER_MISSING = "tokenizer_missing"
    CHAT_TEMPLATE_MISSING = "chat_template_missing"
    MODEL_UNSUPPORTED = "model_unsupported"
    REMOTE_CODE_NEEDED = "remote_code_needed"
    QUANTIZATION_UNSUPPORTED = "quantization_unsupported"
    BAD_FLAG = "bad_flag"
    BAD_SETTINGS = "bad_settings"
    NO_DISK = "no_disk"
    NO_SHM = "no_shm"
    FOLDER_NOT_WRITABLE = "folder_not_writable"
    OUT_OF_HOST_MEMORY = "out_of_host_memory"
    KILLED = "killed"
    ENGINE_ERROR = "engine_error"
    """The engine named a reason that is none of these."""
    EXITED = "exited"
    """It ended and said nothing that would explain it."""
    ENGINE_DIED = "engine_died"
    # Found by a runtime
    RUNTIME_ERROR = "runtime_error"
    IMAGE_MISSING = "image_missing"
    IMAGE_REFUSED = "image_refused"
    RECIPE_REFUSED = "recipe_refused"
    GPU_UNAVAILABLE = "gpu_unavailable"
    PORT_IN_USE = "port_in_use"
    NAME_TAKEN = "name_taken"
    RUNTIME_UNAVAILABLE = "runtime_unavailable"
    DOCKER_UNREACHABLE = "docker_unreachable"
    DOCKER_PERMISSION = "docker_permission"
    RAY_UNREACHABLE = "ray_unreachable"
    REGISTRY_UNREACHABLE = "registry_unreachable"
    REGISTRY_DENIED = "registry_denied"
    PROGRAM_MISSING = "program_missing"
    # Found by the switcher
    GPUS_UNKNOWN = "gpus_unknown"
    MEMORY_HELD = "memory_held"
    START_OVERDUE = "start_overdue"
    STALLED = "stalled"
    START_VANISHED = "start_vanished"
    WRONG_SERVED_NAME = "wrong_served_name"
    CONTEXT_TOO_SHORT = "context_too_short"
    CANARY_FAILED = "canary_failed"
    NOT_HEALTHY = "not_healthy"
    UNREACHABLE_FROM_WEB = "unreachable_from_web"


@dataclass(frozen=True)
class RootCause:
    """Why a start failed, in texts that can be translated (`gateway.wording`).

    `retry_max_model_len` is the context to offer for another try.
    """

    code: str
    message: str
    advice: str = ""
    evidence: str = ""
    """The line of the log that says so."""
    retry_max_model_len: int | None = None

    @property
    def can_retry(self) -> bool:
        """Whether another start with `retry_max_model_len` is worth making without asking anybody.

        A shorter context is the one change that keeps the same answers, on the same cards, and that the
        engine itself computed. What would cure other causes costs something that only an operator can
        weigh (speed, precision, other people's processes), and repeating the same start changes nothing.
        """
        return self.retry_max_model_len is not None and self.retry_max_model_len >= SHORTEST_RETRY_TOKENS

    def serialise(self) -> dict[str, Any]:
        """JSON values; message and advice stay `FilledText`s, which `TextsField` keeps."""
        return {
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "evidence": self.evidence,
            "retry_max_model_len": self.retry_max_model_len,
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> RootCause:
        """The opposite of `serialise`."""
        return cls(
            code=str(values.get("code", Cause.RUNTIME_ERROR)),
            message=values.get("message") or "",
            advice=values.get("advice") or "",
            evidence=str(values.get("evidence", "")),
            retry_max_model_len=values.get("retry_max_model_len"),
        )
