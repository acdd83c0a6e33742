"""Other servers in front of the same engine, to compare with: nginx, vLLM's router and LiteLLM."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import Process, accepts_connections, running, wait_until_ready
from benchmarks.scenarios import MODELS
from modelops.simulator.process import find_free_port

NGINX_PLACES = "/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin"
NGINX_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
NGINX_CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    {temporary}
    upstream engine {{ server 127.0.0.1:{engine_port}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class ProxyProcess:
    process: Process
    port: int
    token_file: Path | None = None


def find_nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{NGINX_PLACES}")


@contextmanager
def running_nginx(
    program: str, *, engine_port: int, folder: Path, core: int | None
) -> Iterator[ProxyProcess]:
    """nginx as a plain streaming proxy: no authentication, no storage, one process."""
    port, config, log = find_free_port(), folder / "nginx.conf", folder / "nginx.log"
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in NGINX_TEMPORARY)
    config.write_text(
        NGINX_CONFIG.format(folder=folder, temporary=temporary, engine_port=engine_port, port=port)
    )
    command = [program, "-p", str(folder), "-c", str(config), "-e", str(folder / "nginx-errors.log")]
    with running(command, log=log, core=core) as process:
        wait_until_ready(process, lambda: accepts_connections(port), log=log)
        yield ProxyProcess(process, port)


@contextmanager
def running_vllm_router(
    program: str, *, engine_port: int, folder: Path, core: int | None
) -> Iterator[ProxyProcess]:
    """vLLM's router (Rust), one worker, no authentication."""
    port, log = find_free_port(), folder / "vllm-router.log"
    command = [program, "--worker-urls", f"http://127.0.0.1:{engine_port}", "--policy", "round_robin"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(find_free_port())]
    with running([*command, "--log-level", "warning"], log=log, core=core) as process:
        wait_until_ready(process, lambda: accepts_connections(port), log=log)
        yield ProxyProcess(process, port)


@contextmanager
def running_litellm(
    program: str, *, engine_port: int, folder: Path, core: int | None
) -> Iterator[ProxyProcess]:
    """LiteLLM's proxy with a master key, without a database, one worker."""
    port, key, log = find_free_port(), f"sk-{secrets.token_hex(16)}", folder / "litellm.log"
    config, token_file = folder / "litellm.json", folder / "litellm-token"
    token_file.write_text(key)
    config.write_text(json.dumps(_litellm_config(engine_port, key)))  # JSON is YAML
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running([*command, "--telemetry", "False"], log=log, core=core, environment=environment) as process:
        wait_until_ready(process, lambda: accepts_connections(port), log=log)
        yield ProxyProcess(process, port, token_file)


def _litellm_config(engine_port: int, key: str) -> dict[str, object]:
    engine = {"api_base": f"http://127.0.0.1:{engine_port}/v1", "api_key": "none"}
    models = [
        {"model_name": name, "litellm_params": {"model": f"hosted_vllm/{name}", **engine}} for name in MODELS
    ]
    return {"model_list": models, "general_settings": {"master_key": key}}
