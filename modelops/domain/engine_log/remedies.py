"""What can be done about the cause of a failure, as values: each interface makes its own button of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.engine_log.causes import Cause, RootCause


class RemedyKind(StrEnum):
    RETRY_WITH_CONTEXT = "retry_with_context"
    EDIT_PROFILE = "edit_profile"
    CHECK_FIT = "check_fit"
    FREE_GPU = "free_gpu"
    CHANGE_SETTING = "change_setting"
    RETRY = "retry"


@dataclass(frozen=True)
class RetryWithContext:
    """Switch again with this context, and keep it in the profile."""

    max_model_len: int
    kind = RemedyKind.RETRY_WITH_CONTEXT


@dataclass(frozen=True)
class EditProfile:
    """Change these settings of the profile, the likeliest one first."""

    fields: tuple[str, ...]
    kind = RemedyKind.EDIT_PROFILE


@dataclass(frozen=True)
class CheckFit:
    """See what of the profile does not fit, and which changes would."""

    kind = RemedyKind.CHECK_FIT


@dataclass(frozen=True)
class FreeGpu:
    """End what holds memory of the cards. Who that is now is for whoever reads the cards."""

    kind = RemedyKind.FREE_GPU


@dataclass(frozen=True)
class ChangeSetting:
    """Set these variables of the gateway's environment, and start its switcher anew."""

    names: tuple[str, ...]
    kind = RemedyKind.CHANGE_SETTING


@dataclass(frozen=True)
class Retry:
    """Switch again as before: the cause passes, or is mended outside of the gateway."""

    kind = RemedyKind.RETRY


Remedy = RetryWithContext | EditProfile | CheckFit | FreeGpu | ChangeSetting | Retry

RETRY = Retry()
CHECK_FIT = CheckFit()
FREE_GPU = FreeGpu()
NO_REMEDY_NEEDED = frozenset({"cancelled"})
"""What somebody wanted, and no failure."""

REMEDIES: Mapping[Cause, tuple[Remedy, ...]] = {
    Cause.GPU_OCCUPIED: (FREE_GPU, EditProfile(("gpu_memory_utilization",)), RETRY),
    Cause.GPU_OUT_OF_MEMORY: (
        EditProfile(("max_num_seqs", "gpu_memory_utilization", "quantization", "tensor_parallel_size")),
        CHECK_FIT,
        FREE_GPU,
    ),
    Cause.NO_ROOM_FOR_KV: (
        EditProfile(("gpu_memory_utilization", "quantization", "tensor_parallel_size", "max_num_seqs")),
        CHECK_FIT,
    ),
    Cause.CONTEXT_TOO_LONG: (
        EditProfile(("max_model_len", "gpu_memory_utilization", "kv_cache_dtype")),
        CHECK_FIT,
    ),
    Cause.CONTEXT_BEYOND_POSITIONS: (EditProfile(("max_model_len",)), CHECK_FIT),
    Cause.HEADS_NOT_DIVISIBLE: (EditProfile(("tensor_parallel_size",)),),
    Cause.TOO_FEW_GPUS: (EditProfile(("tensor_parallel_size", "gpu_selection")),),
    Cause.GPU_TOO_OLD: (EditProfile(("dtype", "quantization", "kv_cache_dtype", "image")),),
    Cause.DRIVER_TOO_OLD: (EditProfile(("image",)), RETRY),
    Cause.GPU_FAILED: (RETRY, EditProfile(("enforce_eager",))),
    Cause.NCCL_FAILED: (EditProfile(("environment", "extra_flags")), ChangeSetting(("ENGINE_SHM_GIB",))),
    Cause.GATED_REPO: (ChangeSetting(("HF_TOKEN",)), RETRY),
    Cause.TOKEN_REFUSED: (ChangeSetting(("HF_TOKEN",)), RETRY),
    Cause.REPOSITORY_MISSING: (EditProfile(("repository",)), ChangeSetting(("HF_TOKEN",))),
    Cause.REVISION_MISSING: (EditProfile(("revision",)),),
    Cause.HUB_UNREACHABLE: (RETRY, ChangeSetting(("HF_ENDPOINT",))),
    Cause.FILES_MISSING: (EditProfile(("repository", "revision")), RETRY),
    Cause.TOKENIZER_MISSING: (EditProfile(("extra_flags",)),),
    Cause.CHAT_TEMPLATE_MISSING: (EditProfile(("chat_template",)),),
    Cause.MODEL_UNSUPPORTED: (EditProfile(("image", "repository")),),
    Cause.REMOTE_CODE_NEEDED: (EditProfile(("extra_flags",)),),
    Cause.QUANTIZATION_UNSUPPORTED: (EditProfile(("quantization", "dtype", "image")),),
    Cause.BAD_FLAG: (EditProfile(("extra_flags", "image")),),
    Cause.BAD_SETTINGS: (EditProfile(("extra_flags",)),),
    Cause.NO_DISK: (RETRY,),
    Cause.NO_SHM: (ChangeSetting(("ENGINE_SHM_GIB",)),),
    Cause.FOLDER_NOT_WRITABLE: (RETRY,),
    Cause.OUT_OF_HOST_MEMORY: (ChangeSetting(("ENGINE_MEMORY_GIB",)), EditProfile(("repository",)), RETRY),
    Cause.KILLED: (RETRY,),
    Cause.ENGINE_ERROR: (EditProfile(("extra_flags", "image")), RETRY),
    Cause.EXITED: (EditProfile(("extra_flags", "image")), RETRY),
    Cause.ENGINE_DIED: (RETRY, EditProfile(("gpu_memory_utilization", "enforce_eager"))),
    Cause.RUNTIME_ERROR: (RETRY,),
    Cause.IMAGE_MISSING: (EditProfile(("image",)), RETRY),
    Cause.IMAGE_REFUSED: (EditProfile(("image",)), ChangeSetting(("ENGINE_IMAGES",))),
    Cause.RECIPE_REFUSED: (RETRY,),
    Cause.GPU_UNAVAILABLE: (RETRY,),
    Cause.PORT_IN_USE: (RETRY,),
    Cause.NAME_TAKEN: (RETRY,),
    Cause.RUNTIME_UNAVAILABLE: (RETRY,),
    Cause.DOCKER_UNREACHABLE: (RETRY,),
    Cause.RAY_UNREACHABLE: (RETRY,),
    Cause.DOCKER_PERMISSION: (RETRY,),
    Cause.REGISTRY_UNREACHABLE: (RETRY,),
    Cause.REGISTRY_DENIED: (EditProfile(("image",)), RETRY),
    Cause.PROGRAM_MISSING: (ChangeSetting(("VLLM_COMMAND",)), RETRY),
    Cause.GPUS_UNKNOWN: (RETRY,),
    Cause.MEMORY_HELD: (FREE_GPU, RETRY),
    Cause.START_OVERDUE: (RETRY,),
    Cause.STALLED: (RETRY, EditProfile(("environment", "extra_flags"))),
    Cause.START_VANISHED: (RETRY,),
    Cause.WRONG_SERVED_NAME: (EditProfile(("extra_flags", "served_model_name")), RETRY),
    Cause.CONTEXT_TOO_SHORT: (EditProfile(("max_model_len",)), CHECK_FIT),
    Cause.CANARY_FAILED: (EditProfile(("chat_template", "image")), RETRY),
    Cause.NOT_HEALTHY: (RETRY,),
    Cause.UNREACHABLE_FROM_WEB: (ChangeSetting(("ENGINE_NETWORK", "ENGINE_PUBLISH_ADDRESS")), RETRY),
}

PLAN_REMEDIES: Mapping[str, tuple[Remedy, ...]] = {
    "does_not_fit": (CHECK_FIT, EditProfile(("max_model_len", "quantization", "tensor_parallel_size"))),
    "disabled": (EditProfile(("is_enabled",)),),
    "runtime_missing": (EditProfile(("runtime",)), RETRY),
    "runtime_unusable": (EditProfile(("runtime",)), RETRY),
    "plan_refused": (EditProfile(()), RETRY),
}
"""Of plans that were refused; what else a plan finds has a `Cause` as its code, or is tried again."""


def find_remedies(cause: RootCause) -> tuple[Remedy, ...]:
    """What helps against the cause, the likeliest first. Never empty for a failure."""
    if not cause.code or cause.code in NO_REMEDY_NEEDED:
        return ()
    known = cause.code in set(Cause)
    general = REMEDIES[Cause(cause.code)] if known else PLAN_REMEDIES.get(cause.code, (RETRY,))
    if cause.retry_max_model_len is None:
        return general
    return (RetryWithContext(cause.retry_max_model_len), *general)
