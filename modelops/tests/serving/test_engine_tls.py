"""Engines that serve https: reached where ENGINE_CA_FILE names who signed their certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.conf import GatewayConfig
from gateway.tests.live import wait_until
from modelops.serving import engine_tls
from modelops.serving.engine_client import EngineClient, EngineError
from modelops.serving.engine_probes import ask_health
from modelops.simulator.process import start_simulator
from modelops.tests.switcher.test_docker_boxes import write_certificate


async def test_engine_with_a_certificate_of_ones_own_is_reached_where_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificate(tmp_path)
    certificate, key = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")

    def trust(ca_file: str) -> None:
        monkeypatch.setattr(engine_tls, "get_config", lambda: GatewayConfig(engine_ca_file=ca_file))

    with start_simulator(
        "--ssl-certfile", certificate, "--ssl-keyfile", key, model="m", wait_until_ready=False
    ) as engine:
        url = engine.base_url.replace("http:", "https:")
        trust(certificate)
        wait_until(lambda: ask_health(f"{url}/health"), what="the engine")
        client = EngineClient(url)
        models, _latency_ms = await client.list_models()
        trust("")
        stranger = EngineClient(url)
        with pytest.raises(EngineError, match="connect"):
            await stranger.check_health()
        is_healthy = ask_health(f"{url}/health")
        await client.close()
        await stranger.close()

    assert [model.name for model in models] == ["m"]
    assert not is_healthy
