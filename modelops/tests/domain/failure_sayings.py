"""What engines print when they fail, in the words of several versions."""

from __future__ import annotations

from modelops.domain.engine_log.failures import Cause

SAYINGS = [
    (
        Cause.GPU_OCCUPIED,
        "ValueError: Free memory on device cuda:0 (3.1/23.69 GiB) on startup is less than desired GPU memory "
        "utilization (0.92, 21.79 GiB). Decrease GPU memory utilization or reduce GPU memory used by others.",
    ),
    (
        Cause.GPU_OCCUPIED,
        "ValueError: Available memory on node 0 (1.0/8.0 GiB) on startup is less than desired CPU memory "
        "utilization (0.92, 7.4 GiB). To resolve: decrease it or reduce CPU memory used by other processes.",
    ),
    (Cause.GPU_OUT_OF_MEMORY, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB."),
    (Cause.GPU_OUT_OF_MEMORY, "torch.AcceleratorError: CUDA error: out of memory"),
    (Cause.NO_ROOM_FOR_KV, "ValueError: No available memory for the cache blocks. Try increasing it."),
    (
        Cause.HEADS_NOT_DIVISIBLE,
        "  Value error, Total number of attention heads (25) must be divisible by tensor parallel size (2). "
        "[type=value_error, input_value=ArgsKwargs(...)]",
    ),
    (
        Cause.CONTEXT_BEYOND_POSITIONS,
        "  Value error, User-specified max_model_len (4096) is greater than the derived max_model_len "
        "(max_position_embeddings=2048.0 or model_max_length=None in model's config.json). To allow …",
    ),
    (
        Cause.TOO_FEW_GPUS,
        "ValueError: World size (4) is larger than the number of available GPUs (2)",
    ),
    (
        Cause.DRIVER_TOO_OLD,
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12080).",
    ),
    (Cause.GPU_TOO_OLD, "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    (
        Cause.GPU_TOO_OLD,
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
    ),
    (
        Cause.QUANTIZATION_UNSUPPORTED,
        "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum …",
    ),
    (
        Cause.QUANTIZATION_UNSUPPORTED,
        "ValueError: torch.bfloat16 is not supported for quantization method gptq.",
    ),
    (Cause.GPU_UNAVAILABLE, "RuntimeError: Failed to infer device type, please set the environment variable"),
    (Cause.GPU_UNAVAILABLE, "RuntimeError: No CUDA GPUs are available"),
    (Cause.GATED_REPO, "Cannot access gated repo for url https://hub/org/m/resolve/main/config.json."),
    (
        Cause.TOKEN_REFUSED,
        "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: https",
    ),
    (
        Cause.REPOSITORY_MISSING,
        "Repository Not Found for url: https://hub/api/models/org/none/revision/main.",
    ),
    (Cause.REPOSITORY_MISSING, "OSError: org/none is not a local folder and is not a valid model identifier"),
    (Cause.REVISION_MISSING, "Revision Not Found for url: https://hub/api/models/org/m/revision/v9."),
    (
        Cause.REVISION_MISSING,
        "OSError: v9 is not a valid git identifier (branch name, tag name or commit id)",
    ),
    (
        Cause.HUB_UNREACHABLE,
        "OSError: We couldn't connect to 'https://hub' to load the files, and couldn't find",
    ),
    (
        Cause.HUB_UNREACHABLE,
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot "
        "folder for the revision on the local disk and outgoing traffic has been disabled.",
    ),
    (Cause.FILES_MISSING, "OSError: org/m does not appear to have a file named config.json. Checkout 'https"),
    (
        Cause.FILES_MISSING,
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
    ),
    (
        Cause.TOKENIZER_MISSING,
        "OSError: Can't load tokenizer for 'org/m'. If you were trying to load it from",
    ),
    (Cause.CHAT_TEMPLATE_MISSING, "FileNotFoundError: the supplied chat template path doesn't exist"),
    (
        Cause.MODEL_UNSUPPORTED,
        "  Value error, Model architectures ['NewForCausalLM'] are not supported for now. Supported: …",
    ),
    (
        Cause.MODEL_UNSUPPORTED,
        "ValueError: The checkpoint you are trying to load has model type `new` but Transformers does not "
        "recognize this architecture.",
    ),
    (
        Cause.REMOTE_CODE_NEEDED,
        "ValueError: The repository org/m contains custom code which must be executed to correctly load it.",
    ),
    (Cause.BAD_FLAG, "vllm: error: unrecognized arguments: --max-modellen 4096"),
    (Cause.BAD_FLAG, "vllm serve: error: argument --dtype: invalid choice: 'int3' (choose from auto, half)"),
    (Cause.BAD_SETTINGS, "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig"),
    (Cause.NCCL_FAILED, "ncclSystemError: System call (e.g. socket, malloc) or external library call failed"),
    (
        Cause.NCCL_FAILED,
        "RuntimeError: NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
    ),
    (
        Cause.NO_SHM,
        "RuntimeError: Insufficient space in /dev/shm for the shared memory message queue: 240 MiB required",
    ),
    (Cause.NO_DISK, "OSError: [Errno 28] No space left on device"),
    (Cause.PORT_IN_USE, "OSError: [Errno 98] Address already in use"),
    (Cause.FOLDER_NOT_WRITABLE, "PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface'"),
    (Cause.GPU_FAILED, "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"),
    (Cause.OUT_OF_HOST_MEMORY, "Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down"),
    (Cause.ENGINE_ERROR, "KeyError: 'model.layers.0.unheard_of'"),
]
