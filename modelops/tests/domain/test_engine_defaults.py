import pytest

from modelops.domain.fit.engine_defaults import find_traits, parse_version, resolve_settings
from modelops.domain.fit.gpu_catalog import complete_gpu, find_card
from modelops.domain.fit.specs import GIB, MIB, EngineSettings, Gpu, ResolvedSettings
from modelops.tests.domain.fit_examples import make_gpu, make_model


def resolve(card: str, total_gib: float, settings: EngineSettings) -> ResolvedSettings:
    gpu = complete_gpu(make_gpu(card, total_gib))
    model = make_model(max_position_embeddings=65536)
    return resolve_settings(settings, model, gpu, find_traits(settings, gpu))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.10.2", (0, 10, 2)),
        ("v0.8.5.post1", (0, 8, 5)),
        ("v0.33.0-cu128", (0, 33, 0)),
        ("0.21", (0, 21, 0)),
        ("latest", None),
        ("0.1.dev9421+g1234567", None),
        ("0.11.1.dev20+gabc", (0, 11, 1)),
        (None, None),
    ],
)
def test_versions_are_read_from_tags(text: str | None, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("card", "total", "version", "tokens", "seqs"),
    [
        ("RTX 3090", 23.6, "0.33.0", 2048, 256),
        ("NVIDIA H100 80GB HBM3", 79.18, "0.12.0", 8192, 1024),
        ("NVIDIA A100-SXM4-80GB", 79.2, "0.12.0", 2048, 256),
        ("NVIDIA A100-SXM4-80GB", 79.2, "0.8.5", 8192, 1024),
        ("NVIDIA A100-SXM4-80GB", 79.2, "0.8.1", 2048, 1024),
        ("NVIDIA RTX PRO 6000 Blackwell", 94.9, "0.12.0", 8192, 1024),
        ("NVIDIA B200", 178.4, "0.30.0", 16384, 1024),
        ("NVIDIA H100 80GB HBM3", 79.18, None, 8192, 1024),
        ("RTX 3090", 23.6, "0.8.4", 2048, 256),
        ("NVIDIA H100 80GB HBM3", 79.18, "0.8.4", 8192, 1024),
        ("NVIDIA B200", 178.4, "0.27.1", 8192, 1024),
    ],
)
def test_batch_defaults_follow_card_and_version(
    card: str, total: float, version: str | None, tokens: int, seqs: int
) -> None:
    resolved = resolve(card, total, EngineSettings(vllm_version=version))

    assert (resolved.max_num_batched_tokens, resolved.max_num_seqs) == (tokens, seqs)


@pytest.mark.parametrize(
    ("length", "version", "tokens"),
    [(1024, "0.7.2", 2048), (16384, "0.7.2", 16384), (65536, "0.6.3", 512), (65536, "0.7.2", 2048)],
)
def test_v0_profiles_whole_contexts_unless_it_chunks(length: int, version: str, tokens: int) -> None:
    settings = EngineSettings(max_model_len=length, vllm_version=version)

    assert resolve("RTX 3090", 23.6, settings).max_num_batched_tokens == tokens


@pytest.mark.parametrize(
    ("version", "share"), [("0.19.0", 0.90), ("0.20.0", 0.92), ("0.99.0", 0.92), (None, 0.92)]
)
def test_utilization_default_changed(version: str | None, share: float) -> None:
    resolved = resolve("RTX 3090", 23.6, EngineSettings(vllm_version=version))

    assert resolved.gpu_memory_utilization == share


@pytest.mark.parametrize(
    ("card", "version", "is_v0"),
    [
        ("RTX 3090", "0.7.3", True),
        ("RTX 3090", "0.8.0", False),
        ("Tesla T4", "0.9.2", True),
        ("Tesla T4", "0.11.0", False),
        ("RTX 3090", None, False),
    ],
)
def test_the_engine_generation_follows_version_and_card(card: str, version: str | None, is_v0: bool) -> None:
    gpu = complete_gpu(make_gpu(card))

    assert find_traits(EngineSettings(vllm_version=version), gpu).is_v0 is is_v0


@pytest.mark.parametrize(
    ("name", "family", "capability"),
    [
        ("NVIDIA GeForce RTX 3090", "ampere", (8, 6)),
        ("NVIDIA GeForce RTX 4090", "ada", (8, 9)),
        ("A100-SXM4-80GB", "ampere", (8, 0)),
        ("A100 40GB class (39.50 GiB total)", "ampere", (8, 0)),
        ("NVIDIA H100 80GB HBM3", "hopper", (9, 0)),
        ("NVIDIA GH200 480GB", "hopper", (9, 0)),
        ("NVIDIA L4", "ada", (8, 9)),
        ("NVIDIA L40S", "ada", (8, 9)),
        ("Tesla T4", "turing", (7, 5)),
        ("Tesla V100-SXM2-32GB", "volta", (7, 0)),
        ("NVIDIA A10G", "ampere", (8, 6)),
        ("NVIDIA RTX 6000 Ada Generation", "ada", (8, 9)),
        ("Quadro RTX 6000", "turing", (7, 5)),
    ],
)
def test_cards_are_known_by_the_names_in_logs(name: str, family: str, capability: tuple[int, int]) -> None:
    card = find_card(name)

    assert card is not None
    assert (card.family, card.compute_capability) == (family, capability)


@pytest.mark.parametrize(("total_mib", "expected_gib"), [(24576, 23.6), (24217, 23.65), (12000, 11.72)])
def test_the_drivers_total_is_replaced_by_what_the_engine_sees(total_mib: int, expected_gib: float) -> None:
    gpu = complete_gpu(Gpu("NVIDIA GeForce RTX 3090", total_mib * MIB))

    assert gpu.total_bytes / GIB == pytest.approx(expected_gib, abs=0.01)


def test_an_unknown_card_is_taken_as_given() -> None:
    gpu = Gpu("Imaginary 9000", 24 * GIB)

    assert complete_gpu(gpu) == gpu
