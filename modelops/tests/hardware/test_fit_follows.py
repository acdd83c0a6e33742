from __future__ import annotations

from modelops.domain.fit.check import check_fit
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import GIB, MIB, EngineSettings, Gpu
from modelops.hardware import HardwareReading, explain_left_out, to_fit_gpus
from modelops.tests.domain.fit_examples import make_model
from modelops.tests.hardware.stub import StubMachine

MODEL_14B = make_model(
    model_type="qwen2",
    architectures=["Qwen2ForCausalLM"],
    hidden_size=5120,
    num_hidden_layers=48,
    num_attention_heads=40,
    intermediate_size=13824,
    vocab_size=152064,
    max_position_embeddings=32768,
)
ON_TWO_CARDS = EngineSettings(tensor_parallel_size=2, max_model_len=8192, vllm_version="0.33.0")


def ask_fit(reading: HardwareReading) -> FitReport:
    return check_fit(MODEL_14B, ON_TWO_CARDS, to_fit_gpus(reading))


def test_the_verdict_follows_what_happens_to_the_cards(machine: StubMachine) -> None:
    with machine.start_reader() as reader:
        machine.set_state()
        free = ask_fit(reader.read())
        machine.set_state("card 1 memory 24576 10290", "card 1 compute 911 10240 python3")
        taken = ask_fit(reader.read())
        machine.set_state("card 1 broken 15")
        lost = ask_fit(reader.read())
        machine.set_state()
        back = ask_fit(reader.read())

    assert free.verdict is Verdict.FITS
    assert (taken.verdict, taken.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.FREE_MEMORY)
    assert (lost.verdict, lost.limit) == (Verdict.DOES_NOT_FIT, LimitingTerm.GPU_COUNT)
    assert back == free


def test_a_card_is_given_as_the_engine_sees_it(machine: StubMachine) -> None:
    first, _ = to_fit_gpus(machine.read())

    assert first == Gpu(
        name="NVIDIA GeForce RTX 3090",
        total_bytes=int(23.6 * GIB),
        free_bytes=(24576 - 268 - 1) * MIB,
        is_total_typical=True,
        compute_capability=(8, 6),
    )


def test_a_lost_card_is_left_out_with_a_note(machine: StubMachine) -> None:
    machine.set_state("card 0 broken 15")

    reading = machine.read()

    assert len(to_fit_gpus(reading)) == 1
    assert explain_left_out(reading) == ("Left out: GPU 0 is lost: it no longer answers on the PCIe bus.",)


def test_a_card_that_does_not_report_its_memory_is_left_out_with_a_note(machine: StubMachine) -> None:
    machine.set_state("refuse nvmlDeviceGetMemoryInfo 3", "refuse nvmlDeviceGetMemoryInfo_v2 3", "cards 1")

    reading = machine.read()

    assert to_fit_gpus(reading) == ()
    assert explain_left_out(reading) == ("Left out: the driver does not tell the memory of GPU 0.",)


def test_memory_of_our_own_engine_counts_as_free_once_it_will_have_stopped(machine: StubMachine) -> None:
    machine.set_state(
        "card 0 memory 24576 22010",
        "card 0 compute 4242 22000 VLLM::Worker_TP0",
        "card 1 memory 24576 22010",
        "card 1 compute 4243 22000 VLLM::Worker_TP1",
    )
    reading = machine.read(own_pids={4242, 4243})

    now = check_fit(MODEL_14B, ON_TWO_CARDS, to_fit_gpus(reading))
    afterwards = check_fit(MODEL_14B, ON_TWO_CARDS, to_fit_gpus(reading, without_ours=True))

    assert now.verdict is Verdict.DOES_NOT_FIT
    assert afterwards.verdict is Verdict.FITS
