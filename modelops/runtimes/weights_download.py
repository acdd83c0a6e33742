"""Downloads a repository into the Hugging Face cache, telling how far it is in lines of JSON.

Not imported: it runs in the engine's image with that image's Python and huggingface_hub, whatever their
versions, as `python3 -c <this text> <Weights as JSON>`. So it uses the standard library and the little of
the hub's interface that never changed, and tells exceptions by their names.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from fnmatch import fnmatch
from typing import Any

REPORT_S = 0.5
# vLLM reads safetensors where there are any, and never these.
NEVER_READ = [
    "original/*",
    "*.onnx",
    "*.h5",
    "*.msgpack",
    "*.tflite",
    "*.ot",
    "*.gguf",
    "*.mlmodel",
    "onnx/*",
]
OTHER_WEIGHTS = ["*.bin", "*.pt", "*.pth", "*.ckpt"]
CODES = {
    "GatedRepoError": "gated_repo",
    "RepositoryNotFoundError": "repository_missing",
    "RevisionNotFoundError": "repository_missing",
    "HFValidationError": "repository_missing",
}


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def find_code(error: BaseException | None) -> str | None:
    """What to call the failure; None when it is none that an operator could do something about."""
    while error is not None:
        for kind in type(error).__mro__:
            if kind.__name__ in CODES:
                return CODES[kind.__name__]
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return "no_disk"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            return "gated_repo"
        if status is not None or is_network_error(error):
            return "hub_unreachable"
        error = error.__cause__ or error.__context__
    return None


def is_network_error(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    roots = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    is_offline = type(error).__name__ in ("LocalEntryNotFoundError", "OfflineModeIsEnabled")
    return is_offline or bool(roots & {"requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2"})


def count_bytes(folder: str) -> int:
    """What is on the disk of the files below `folder`; a part that is only reserved does not count."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(path, name))
            except OSError:
                continue
            total += min(found.st_size, found.st_blocks * 512)
    return total


def choose_files(info: Any, is_tokenizer: bool) -> tuple[list[str], int | None]:
    """Patterns to leave out, and the size of what stays (None where the hub does not tell)."""
    files = info.siblings or []
    has_safetensors = any(file.rfilename.endswith(".safetensors") for file in files)
    left_out = NEVER_READ + (OTHER_WEIGHTS if has_safetensors or is_tokenizer else [])
    left_out += ["*.safetensors"] if is_tokenizer else []
    sizes = [f.size for f in files if not any(fnmatch(f.rfilename, pattern) for pattern in left_out)]
    return left_out, (None if None in sizes else sum(sizes))


def report_progress(folder: str, total_bytes: int | None, stop: threading.Event) -> None:
    while not stop.wait(REPORT_S):
        done_bytes = count_bytes(folder)
        # Older revisions lie there too.
        say(done_bytes=min(done_bytes, total_bytes or done_bytes), total_bytes=total_bytes)


def download(
    hub: Any, repository: str, revision: str | None, cache_dir: str | None, is_tokenizer: bool
) -> None:
    info = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
    left_out, total_bytes = choose_files(info, is_tokenizer)
    cache = cache_dir or hub.constants.HF_HUB_CACHE
    blobs = os.path.join(cache, "models--" + repository.replace("/", "--"), "blobs")
    stop = threading.Event()
    reporter = threading.Thread(target=report_progress, args=(blobs, total_bytes, stop), daemon=True)
    reporter.start()
    try:
        hub.snapshot_download(repository, revision=revision, cache_dir=cache_dir, ignore_patterns=left_out)
    finally:
        stop.set()
        reporter.join()
    say(done_bytes=total_bytes or count_bytes(blobs), total_bytes=total_bytes)


def is_cached(
    hub: Any, repository: str, revision: str | None, cache_dir: str | None, is_tokenizer: bool
) -> bool:
    """Whether a whole snapshot is here, as far as this version tells: the engine starts without the hub."""
    no_weights = [*NEVER_READ, *OTHER_WEIGHTS, "*.safetensors"]
    for left_out in [no_weights] if is_tokenizer else [NEVER_READ, NEVER_READ + OTHER_WEIGHTS]:
        try:
            folder = hub.snapshot_download(
                repository,
                revision=revision,
                cache_dir=cache_dir,
                ignore_patterns=left_out,
                local_files_only=True,
            )
        except Exception:  # noqa: S112 - then it is not
            continue
        if left_out in (NEVER_READ, no_weights) or any(
            name.endswith(".safetensors") for name in os.listdir(folder)
        ):
            return True
    return False


def main() -> int:
    wanted = json.loads(sys.argv[1])
    try:
        import huggingface_hub as hub
        import huggingface_hub.constants
    except ImportError:
        print("no huggingface_hub here: the engine will find only what is in the cache already", flush=True)
        return 0
    arguments = (
        *(hub, wanted["repository"], wanted["revision"], wanted["cache_dir"]),
        wanted.get("is_tokenizer", False),
    )
    try:
        download(*arguments)
    except Exception as exc:
        code = find_code(exc)
        if code == "hub_unreachable" and is_cached(*arguments):
            print(f"the hub does not answer; going on with what is cached ({exc})", flush=True)
            return 0
        say(error=code or "runtime_error", message=describe(exc))
        return 1
    return 0


def describe(error: BaseException) -> str:
    """One line, without the token should the hub ever have repeated it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    token = os.environ.get("HF_TOKEN")
    return text.replace(token, "***") if token else text


if __name__ == "__main__":
    sys.exit(main())
