"""Which images engines may run, by the patterns of ENGINE_IMAGES."""

from __future__ import annotations

import pytest

from gateway.conf import GatewayConfig
from modelops.domain.images import is_allowed_image, is_allowed_repository

DIGEST = "@sha256:" + "a" * 64
OTHER_DIGEST = "@sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("image", "patterns"),
    [
        ("vllm/vllm-openai:v0.33.0", ("vllm/vllm-openai:*",)),
        ("docker.io/vllm/vllm-openai:v0.33.0", ("vllm/vllm-openai:*",)),
        ("vllm/vllm-openai:v0.33.0", ("docker.io/vllm/vllm-openai:*",)),
        (f"vllm/vllm-openai{DIGEST}", ("vllm/vllm-openai:*",)),
        (f"vllm/vllm-openai:v0.33.0{DIGEST}", ("vllm/vllm-openai:v0.33.*",)),
        (f"vllm/vllm-openai:v1{DIGEST}", (f"vllm/vllm-openai{DIGEST}",)),
        ("registry.local:5000/team/vllm:v1", ("registry.local:5000/*:*",)),
        ("a/b:v1", ("c/d:*", "a/b")),
        ("a/b:v1", ("*",)),
    ],
)
def test_image_that_a_pattern_names_passes(image: str, patterns: tuple[str, ...]) -> None:
    assert is_allowed_image(image, patterns)


@pytest.mark.parametrize(
    ("image", "patterns"),
    [
        ("nobody/evil:v1", ("vllm/vllm-openai:*",)),
        ("evil.example/vllm/vllm-openai:v0.33.0", ("vllm/vllm-openai:*",)),
        ("evil.example:5000/vllm/vllm-openai:v0.33.0", ("vllm/vllm-openai:*",)),
        ("vllm/vllm-openai-evil:v0.33.0", ("vllm/vllm-openai:*",)),
        ("vllm/vllm-openai:5000/evil:v1", ("vllm/vllm-openai:*",)),
        ("vllm/vllm-openai:v0.32.0", ("vllm/vllm-openai:v0.33.*",)),
        (f"vllm/vllm-openai{DIGEST}", ("vllm/vllm-openai:v0.33.*",)),
        (f"vllm/vllm-openai:v1{OTHER_DIGEST}", (f"vllm/vllm-openai{DIGEST}",)),
        ("sha256:" + "a" * 64, ("vllm/vllm-openai:*",)),
        ("vllm/vllm-openai:v1", ()),
        ("", ("vllm/vllm-openai:*",)),
    ],
)
def test_any_other_image_does_not(image: str, patterns: tuple[str, ...]) -> None:
    assert not is_allowed_image(image, patterns)


def test_recorded_digest_passes_by_any_name_of_an_allowed_repository() -> None:
    names = [f"mirror.local/vllm{DIGEST}", "vllm/vllm-openai:v0.33.0"]

    assert is_allowed_repository(names, ("vllm/vllm-openai:v0.32.*",))
    assert not is_allowed_repository(names[:1], ("vllm/vllm-openai:*",))


def test_by_default_vllms_own_images_and_ours_may_run() -> None:
    allowed = GatewayConfig().engine_images

    assert is_allowed_image("vllm/vllm-openai:v0.33.0", allowed)
    assert is_allowed_image("vllm-chat-gateway:latest", allowed)
    assert not is_allowed_image("ghcr.io/somebody/vllm-openai:v0.33.0", allowed)
