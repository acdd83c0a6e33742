"""Why a start failed, from what the engine printed and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.tests.live import wait_until
from modelops.domain.engine_log.cause_texts import ADVICE, DEFAULT_FACTS, MESSAGES
from modelops.domain.engine_log.failures import (
    SHORTEST_RETRY_TOKENS,
    Cause,
    RootCause,
    classify_failure,
    describe_cause,
)
from modelops.domain.engine_log.startup_log import Phase, StartupLog
from modelops.simulator.faults import START_FAULTS, Fault
from modelops.simulator.process import find_free_port, start_simulator
from modelops.tests.domain.failure_sayings import SAYINGS
from modelops.tests.domain.log_examples import TWO_CARDS, read_log

ENDS_WITHIN_S = 60.0
"""A busy machine fills its memory slowly."""

WRAPPER = [
    "(EngineCore pid=8) ERROR 11-22 10:00:00 [core.py:1510] EngineCore failed to start.",
    "(EngineCore pid=8) ERROR 11-22 10:00:00 [core.py:1510] Traceback (most recent call last):",
]
WRAPPED = (
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'E': 1}"
)


def classify(*lines: str, exit_code: int | None = 1, phase: Phase = Phase.WEIGHTS) -> RootCause:
    return classify_failure(lines, exit_code=exit_code, phase=phase)


@pytest.mark.parametrize(("cause", "line"), SAYINGS, ids=[f"{c}-{n}" for n, (c, _) in enumerate(SAYINGS)])
def test_what_engines_say_is_understood_through_its_wrappers(cause: Cause, line: str) -> None:
    prefixed = f"(EngineCore pid=8) ERROR 11-22 10:00:00 [core.py:1510] {line}"

    bare = classify(*WRAPPER, line, WRAPPED)
    logged = classify(*WRAPPER, prefixed, WRAPPED)

    assert bare.code == logged.code == cause
    assert bare.evidence == line.strip()
    assert bare.message and bare.advice


def test_first_cause_wins_over_what_follows_from_it() -> None:
    cause = classify(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB.",
        "OSError: [Errno 98] Address already in use",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp",
    )

    assert cause.code == Cause.GPU_OUT_OF_MEMORY


def test_cause_that_names_itself_wins_over_an_earlier_general_one() -> None:
    cause = classify(
        "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://hub/org/m",
        "The above exception was the direct cause of the following exception:",
        "OSError: You are trying to access a gated repo.",
    )

    assert cause.code == Cause.GATED_REPO


def test_words_in_ordinary_lines_and_in_program_text_are_no_cause() -> None:
    cause = classify(
        "(APIServer pid=1) INFO 11-22 10:00:00 [a.py:1] args: {'model': 'No space left on device'}",
        "(APIServer pid=1) WARNING 11-22 10:00:00 [a.py:1] This can cause `OSError: Address already in use`.",
        '    raise RuntimeError("CUDA out of memory")',
        "/x/y.py:3: UserWarning: No CUDA GPUs are available",
        "IndexError: list index out of range",
    )

    assert cause.code == Cause.ENGINE_ERROR
    assert "list index out of range" in cause.message


@pytest.mark.parametrize(
    ("suggested", "offered"), [(2097024, 2097024), (13650, 13648), (1024, 1024), (100, 96), (15, None)]
)
def test_suggested_context_is_offered_in_whole_blocks(suggested: int, offered: int | None) -> None:
    cause = classify(
        "ValueError: To serve at least one request with the models's max seq len (4000000), (1.91 GiB KV "
        "cache is needed, which is larger than the available KV cache memory (1.0 GiB). Based on the memory, "
        f"the estimated maximum model length is {suggested}. Try increasing `gpu_memory_utilization` …"
    )

    assert cause.code == Cause.CONTEXT_TOO_LONG
    assert "4,000,000 tokens" in cause.message
    assert cause.retry_max_model_len == offered
    assert cause.can_retry is (offered is not None and offered >= SHORTEST_RETRY_TOKENS)


def test_first_engine_suggests_a_context_in_other_words() -> None:
    cause = classify(
        "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can "
        "be stored in KV cache (60000). Try increasing `gpu_memory_utilization` or decreasing it."
    )

    assert (cause.code, cause.retry_max_model_len) == (Cause.CONTEXT_TOO_LONG, 60000)


def test_only_a_shorter_context_is_worth_another_try() -> None:
    tried = [classify(line).can_retry for cause, line in SAYINGS if cause is not Cause.CONTEXT_TOO_LONG]

    assert not any(tried)


@pytest.mark.parametrize(
    ("exit_code", "code", "words"),
    [
        (-9, Cause.KILLED, "SIGKILL"),
        (137, Cause.KILLED, "SIGKILL"),
        (139, Cause.KILLED, "SIGSEGV"),
        (-15, Cause.KILLED, "SIGTERM"),
        (1, Cause.EXITED, "exit code 1"),
        (0, Cause.EXITED, "exit code 0"),
        (255, Cause.EXITED, "exit code 255"),
        (None, Cause.STALLED, "compilation"),
    ],
)
def test_engine_that_says_nothing_is_judged_by_its_end(
    exit_code: int | None, code: Cause, words: str
) -> None:
    cause = classify("words", exit_code=exit_code, phase=Phase.COMPILE)

    assert cause.code == code
    assert words in cause.message


def test_kill_by_the_kernel_is_named_whatever_the_log_says() -> None:
    cause = classify_failure([WRAPPED], exit_code=137, was_oom_killed=True, phase=Phase.WEIGHTS)

    assert cause.code == Cause.OUT_OF_HOST_MEMORY


def test_errors_of_requests_are_not_why_a_serving_engine_ended() -> None:
    request_error = (
        "(APIServer pid=1) ERROR 11-22 10:00:00 [serving.py:9] model `CUDA out of memory` is unknown"
    )
    fatal = "(EngineCore pid=8) ERROR 11-22 11:00:00 [core.py:1512] EngineCore encountered a fatal error."
    error = (
        "(EngineCore pid=8) ERROR 11-22 11:00:00 [core.py:1512] RuntimeError: CUDA error: an illegal access"
    )

    complete = "INFO:     Application startup complete."

    quiet = classify(complete, request_error, exit_code=0, phase=Phase.DONE)
    told = classify(complete, request_error, fatal, error, exit_code=0, phase=Phase.DONE)

    assert quiet.code == Cause.ENGINE_DIED
    assert told.code == Cause.GPU_FAILED


def test_server_that_does_not_come_up_after_the_model_is_loaded_has_a_cause_too() -> None:
    text = TWO_CARDS[: TWO_CARDS.index("INFO:     Application startup complete.")]
    log = read_log(text + "FileNotFoundError: the supplied chat template path doesn't exist")

    cause = classify_failure(log.failure_lines(), exit_code=1, phase=log.phase)

    assert log.phase is Phase.DONE
    assert cause.code == Cause.CHAT_TEMPLATE_MISSING


def test_death_of_a_serving_engine_is_found_in_its_log() -> None:
    fatal = "(EngineCore pid=70) ERROR 11-22 12:00:00 [core.py:1512] EngineCore encountered a fatal error."
    log = read_log(f"OSError: the old one\n{TWO_CARDS}{fatal}\ntorch.OutOfMemoryError: CUDA out of memory.")

    cause = classify_failure(log.failure_lines(), exit_code=0, phase=log.phase)

    assert cause.code == Cause.GPU_OUT_OF_MEMORY


def test_cause_far_above_the_end_of_a_long_log_is_still_found() -> None:
    text = TWO_CARDS[: TWO_CARDS.index("(Worker_TP0 pid=71) INFO 11-22 10:02:10")]
    trace = [f'  File "/x/{number}.py", line 1, in call\n    return call()' for number in range(2000)]

    log = read_log("\n".join([text, "torch.OutOfMemoryError: CUDA out of memory.", *trace, WRAPPED]))

    assert classify_failure(log.failure_lines(), exit_code=1, phase=log.phase).code == Cause.GPU_OUT_OF_MEMORY


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_can_be_said_without_and_with_all_facts(cause: Cause) -> None:
    plain = describe_cause(cause)
    facts: dict[str, Any] = {name: f"<{name}>" for name in DEFAULT_FACTS}
    full = describe_cause(cause, **facts)

    for described in (plain, full):
        assert described.code == cause
        assert described.message[0].isupper() and described.message.endswith(".")
        assert "{" not in described.message + described.advice


def test_every_cause_has_its_sentences() -> None:
    assert set(MESSAGES) == set(Cause)
    assert set(Cause) - set(ADVICE) == {Cause.RUNTIME_ERROR}


def test_facts_are_told_and_unknown_codes_are_runtime_errors() -> None:
    held = describe_cause(Cause.MEMORY_HELD, seconds=60.0, processes=["python (pid 4)", "Xorg (pid 9)"])
    odd = describe_cause("never heard of", error="it {broke}")

    assert held.message == "GPU memory was still held after 60 s by python (pid 4), Xorg (pid 9)."
    assert (odd.code, odd.message) == (Cause.RUNTIME_ERROR, "The engine could not be started: it {broke}.")


def test_phase_is_told_in_words() -> None:
    cause = describe_cause(Cause.STALLED, seconds=241.0, phase="distributed")

    assert cause.message == "The start stood still for 241 s during the connection of its GPUs."


def test_cause_survives_storage() -> None:
    cause = classify(
        "ValueError: To serve at least one request with … the estimated maximum model length is 4096. Try"
    )

    assert cause.retry_max_model_len == 4096
    assert RootCause.parse(cause.serialise()) == cause


FAULTS: Sequence[tuple[Fault, Phase, Cause]] = (
    (Fault.GPU_OCCUPIED, Phase.DISTRIBUTED, Cause.GPU_OCCUPIED),
    (Fault.CUDA_OOM, Phase.WEIGHTS, Cause.GPU_OUT_OF_MEMORY),
    (Fault.NO_KV_BLOCKS, Phase.PROFILE, Cause.NO_ROOM_FOR_KV),
    (Fault.CONTEXT_TOO_LONG_FOR_KV, Phase.PROFILE, Cause.CONTEXT_TOO_LONG),
    (Fault.HEADS_NOT_DIVISIBLE, Phase.BOOT, Cause.HEADS_NOT_DIVISIBLE),
    (Fault.CONTEXT_BEYOND_POSITIONS, Phase.BOOT, Cause.CONTEXT_BEYOND_POSITIONS),
    (Fault.GATED_REPO, Phase.BOOT, Cause.GATED_REPO),
    (Fault.NO_DISK, Phase.DOWNLOAD, Cause.NO_DISK),
    (Fault.NO_SHM, Phase.DISTRIBUTED, Cause.NO_SHM),
    (Fault.NCCL_ERROR, Phase.DISTRIBUTED, Cause.NCCL_FAILED),
    (Fault.PORT_IN_USE, Phase.BOOT, Cause.PORT_IN_USE),
    (Fault.KILLED, Phase.WEIGHTS, Cause.KILLED),
    (Fault.FILL_HOST_MEMORY, Phase.WEIGHTS, Cause.KILLED),
    (Fault.HANG_LOADING, Phase.WEIGHTS, Cause.STALLED),
)


def test_every_fault_of_a_start_is_in_the_table() -> None:
    assert {fault for fault, _, _ in FAULTS} == START_FAULTS


@pytest.mark.parametrize(("fault", "phase", "cause"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_simulated_fault_is_seen_in_its_phase_and_named(fault: Fault, phase: Phase, cause: Cause) -> None:
    flags = ["--sim-fault", str(fault), "--tensor-parallel-size", "2"]
    log = StartupLog(0.0)

    with start_simulator(*flags, port=find_free_port(), wait_until_ready=False) as engine:
        wait_until(
            lambda: engine.process.poll() is not None or "2/4" in engine.read_log(), timeout_s=ENDS_WITHIN_S
        )
        if fault is not Fault.HANG_LOADING:
            wait_until(lambda: engine.process.poll() is not None, timeout_s=ENDS_WITHIN_S)
        for line in engine.read_log().splitlines():
            log.feed(line, 0.0)
        exit_code = engine.process.poll()

    found = classify_failure(log.failure_lines(), exit_code=exit_code, phase=log.phase)
    assert (log.phase, found.code) == (phase, cause)
    assert found.retry_max_model_len == (2048 if cause is Cause.CONTEXT_TOO_LONG else None)
