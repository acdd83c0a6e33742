"""What engines print when they fail, and which cause that is. Matched on fragments: wordings change.

Checked against vLLM 0.32's source and logs, transformers 5 and huggingface_hub 1; older wordings come from
public logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelops.domain.engine_log.causes import Cause


@dataclass(frozen=True)
class FailureSignature:
    cause: Cause
    pattern: re.Pattern[str]


def _list_signatures(*table: tuple[Cause, str]) -> tuple[FailureSignature, ...]:
    return tuple(FailureSignature(cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in table)


SPECIFIC = _list_signatures(
    (
        Cause.GPU_OCCUPIED,
        r"Free memory on device .*\bis less than|[CG]PU memory utilization \(.*reduce \w+ memory used by"
        r"|exceed the desired GPU memory utilization|Error in memory profiling",
    ),
    (
        Cause.NO_ROOM_FOR_KV,
        r"No available memory for the cache blocks|not enough GPU memory available to serve",
    ),
    (
        Cause.CONTEXT_TOO_LONG,
        r"To serve at least one request with|maximum number of tokens that can be stored in KV cache",
    ),
    (Cause.GPU_OUT_OF_MEMORY, r"CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|not enough GPU memory"),
    (Cause.GPU_OUT_OF_MEMORY, r"CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|HIP out of memory"),
    (
        Cause.CONTEXT_BEYOND_POSITIONS,
        r"User-specified max_model_len \(\d+\) is greater than the derived max_model_len",
    ),
    (Cause.HEADS_NOT_DIVISIBLE, r"attention heads \(\d+\) must be divisible|heads.* divisible by .*parallel"),
    (Cause.HEADS_NOT_DIVISIBLE, r"is not divisible by \d+|not divisible by weight quantization block"),
    (
        Cause.TOO_FEW_GPUS,
        r"World size \(\d+\) is larger than the number of available GPUs|invalid device ordinal"
        r"|tensor parallel size \(\d+\) (?:cannot be|is) larger than the number of available",
    ),
    (Cause.DRIVER_TOO_OLD, r"driver on your system is too old|forward compatibility was attempted"),
    (Cause.DRIVER_TOO_OLD, r"driver version is insufficient|unsatisfied condition: cuda>="),
    (Cause.GPU_TOO_OLD, r"no kernel image is available|Bfloat16 is only supported on GPUs with compute cap"),
    (
        Cause.QUANTIZATION_UNSUPPORTED,
        r"Quantization (?:method|scheme) .*is not supported for the current GPU|Minimum capability: \d+"
        r"|is not supported for quantization method|Quantization method specified in the model config"
        r"|Unknown quantization method|Invalid quantization method|Cannot find the config file for",
    ),
    (
        Cause.GPU_UNAVAILABLE,
        r"Failed to infer device type|No CUDA GPUs are available|Found no NVIDIA driver"
        r"|could not select device driver|unknown or invalid runtime name: nvidia|unknown runtime.*nvidia"
        r"|nvidia-container-cli: |libcuda\.so\.1: cannot open",
    ),
    (
        Cause.GATED_REPO,
        r"trying to access a gated repo|Cannot access gated repo|Access to model .* is restricted",
    ),
    (Cause.TOKEN_REFUSED, r"Invalid credentials in Authorization|Invalid user token|Token is required"),
    (Cause.REVISION_MISSING, r"Revision Not Found|RevisionNotFoundError|is not a valid git identifier"),
    (
        Cause.REPOSITORY_MISSING,
        r"Repository Not Found|RepositoryNotFoundError|is not a valid model identifier"
        r"|HFValidationError|Repo id must be in the form|Invalid repository ID or local directory",
    ),
    (
        Cause.HUB_UNREACHABLE,
        r"We couldn't connect to 'http|error happened while trying to locate the files? on the Hub"
        r"|outgoing traffic has been disabled|OfflineModeIsEnabled|Max retries exceeded with url"
        r"|(?:429|50[0234]) (?:Client|Server) Error",
    ),
    (
        Cause.REMOTE_CODE_NEEDED,
        r"trust_remote_code=True|contains custom code which must be executed",
    ),
    (
        Cause.MODEL_UNSUPPORTED,
        r"architectures .* (?:are not supported for now|failed to be inspected)|not supported in-tree anymore"
        r"|does not recognize this architecture|Cannot find model module|has no vLLM implementation and",
    ),
    (
        Cause.CHAT_TEMPLATE_MISSING,
        r"chat template path doesn't exist|chat template is no longer allowed|appears path-like, but doesn't",
    ),
    (
        Cause.TOKENIZER_MISSING,
        r"Can't load tokenizer|instantiate the backend tokenizer|Failed to load the tokenizer",
    ),
    (
        Cause.FILES_MISSING,
        r"does not appear to have a file named|Cannot find any model weights|Entry Not Found for url"
        r"|Error while deserializing header|SafetensorError|can't find a config\.json|No model weights found"
        r"|following weights were not initialized",
    ),
    (
        Cause.NO_SHM,
        r"Insufficient space in /dev/shm|unable to (?:open|write|allocate) shared memory|Bus error",
    ),
    (Cause.NO_SHM, r"No space left on device.*/dev/shm|/dev/shm.*No space left on device"),
    (Cause.NO_DISK, r"No space left on device|Not enough free disk space|Disk quota exceeded"),
    (Cause.PORT_IN_USE, r"Address already in use|port is already allocated"),
    (Cause.BAD_FLAG, r"error: (?:unrecognized arguments|argument |the following arguments|ambiguous option)"),
    (
        Cause.PROGRAM_MISSING,
        r"No such file or directory: '[^']*(?:vllm|python)[^']*'|No module named '?vllm\b",
    ),
)
"""Each names a cause by itself."""

GENERAL = _list_signatures(
    (Cause.NCCL_FAILED, r"nccl\w*Error\b|NCCL error|DistBackendError|DistStoreError|DistNetworkError"),
    (Cause.TOKEN_REFUSED, r"\b40[13] (?:Client Error|Forbidden|Unauthorized)"),
    (Cause.HUB_UNREACHABLE, r"Temporary failure in name resolution|Name or service not known|ConnectError:"),
    (Cause.HUB_UNREACHABLE, r"LocalEntryNotFoundError|ConnectTimeout|ReadTimeoutError"),
    (Cause.OUT_OF_HOST_MEMORY, r"Cannot allocate memory|\bMemoryError\b|died unexpectedly \(exit code: -9\)"),
    (Cause.FOLDER_NOT_WRITABLE, r"PermissionError: |Permission denied: |Read-only file system"),
    (Cause.GPU_FAILED, r"CUDA error|illegal memory access|CUBLAS_STATUS|cudaError|AcceleratorError|Xid"),
    (Cause.BAD_SETTINGS, r"Value error, |validation errors? for "),
)
"""These also come with or after causes of the first kind, which then go before."""

WRAPPERS = re.compile(
    r"Engine core initialization failed|EngineCore (?:failed to start|encountered)|EngineDeadError"
    r"|WorkerProc (?:initialization )?failed|Worker proc |died unexpectedly|Engine process failed to start"
    r"|root cause (?:above|in)|TimeoutError: RPC call|cancelled"
)
"""They say that something failed elsewhere."""

FATAL = re.compile(
    r"EngineCore encountered a fatal error|died unexpectedly|Engine core proc .* died|EngineDeadError"
    r"|output_handler failed|background loop has errored|Fatal Python error|terminate called"
)
"""While an engine serves, only what comes from here on is about its end: the rest is about requests."""

EXCEPTION = re.compile(
    r"^\s*(?:[A-Za-z_][\w.]*\.)?(?P<name>[A-Z]\w*(?:Error|Exception|Interrupt|Exit))(?:: (?P<text>.+))?$"
)
"""The last line of a traceback."""

SUGGESTED_LENGTH = re.compile(
    r"estimated maximum model length is (\d+)|number of tokens that can be stored in KV cache \((\d+)\)"
)
ASKED_LENGTH = re.compile(r"max seq len \((\d+)\)")
