"""Wordings of Docker engines other than the one that these tests can start."""

from __future__ import annotations

import pytest

from modelops.runtimes.docker_errors import failure_from_text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('could not select device driver "" with capabilities: [[gpu]]', "gpu_unavailable"),
        ("unknown or invalid runtime name: nvidia", "gpu_unavailable"),
        ("Unknown runtime specified nvidia", "gpu_unavailable"),
        ("nvidia-container-cli: initialization error: nvml error: driver not loaded", "gpu_unavailable"),
        ("nvidia-container-cli: device error: GPU-1: unknown device: unknown", "gpu_unavailable"),
        ("CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=7", "gpu_unavailable"),
        ("failed to register layer: write /usr/lib/x.so: no space left on device", "no_disk"),
        ("Bind for 0.0.0.0:8000 failed: port is already allocated", "port_in_use"),
        ('Conflict. The container name "/a" is already in use by container "b".', "name_taken"),
        ("No such image: vllm/vllm-openai:v0", "image_missing"),
        ("manifest for vllm/vllm-openai:v0 not found: manifest unknown", "image_missing"),
        ("pull access denied for x, repository does not exist or may require login", "registry_denied"),
        ("toomanyrequests: You have reached your pull rate limit.", "registry_unreachable"),
        ("dial tcp: lookup registry-1.docker.io: no such host", "registry_unreachable"),
        ("net/http: TLS handshake timeout", "registry_unreachable"),
        ("something that nobody has seen yet", "runtime_error"),
    ],
)
def test_an_engines_words_become_a_code_and_stay_readable(text: str, code: str) -> None:
    failure = failure_from_text(text, "to pull an image", is_pull=True)

    assert failure.code == code
    assert text in str(failure)


def test_words_about_the_network_mean_the_registry_only_while_pulling() -> None:
    assert failure_from_text("i/o timeout", "to start").code == "runtime_error"
