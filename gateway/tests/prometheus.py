"""A real Prometheus with the configuration and rules that are shipped, on targets of a test."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from gateway.conf import BASE_DIR
from gateway.tests.live import wait_until
from gateway.tests.needs import find_prometheus
from modelops.simulator.process import find_free_port

MONITORING = BASE_DIR / "deploy" / "monitoring"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 15
COMPARISON = re.compile(r"\{[^}]*\}|\"[^\"]*\"|(==|!=|<=|>=|<|>)")


class PrometheusServer:
    """Answers queries as Grafana asks them."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query, without those whose value is no number."""
        answer = self._client.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return [each for each in result if not math.isnan(float(each["value"][1]))]

    def sum(self, expression: str) -> float:
        return sum(float(each["value"][1]) for each in self.query(expression))

    def list_rules(self) -> list[dict[str, Any]]:
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextlib.contextmanager
def start_prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[PrometheusServer]:
    """Scrapes each of the shipped jobs at its target, once a second. Raises NeedMissing."""
    program = find_prometheus()
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    del config["alerting"]["alertmanagers"]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    (folder / "prometheus.json").write_text(json.dumps(config))  # which is YAML, too
    shutil.copytree(MONITORING / "rules", folder / "rules")
    port = find_free_port()
    command = [
        program,
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _serve(command, folder / "prometheus.log", port) as client:
        yield PrometheusServer(client)


def _is_ready(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/-/ready").status_code == 200
    return False


@contextlib.contextmanager
def start_alertmanager(folder: Path, chat_room: str) -> Iterator[httpx.Client]:
    """With the shipped example, which here waits for nothing and reads the room's address from a file."""
    program = find_prometheus("prometheus-alertmanager")
    config = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text())
    config["route"]["group_wait"] = "0s"
    (folder / "webhook_url").write_text(f"{chat_room}\n")
    config["receivers"][0]["slack_configs"][0]["api_url_file"] = str(folder / "webhook_url")
    (folder / "alertmanager.json").write_text(json.dumps(config))
    port = find_free_port()
    command = [
        program,
        f"--config.file={folder / 'alertmanager.json'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _serve(command, folder / "alertmanager.log", port) as client:
        yield client


@contextlib.contextmanager
def _serve(command: Sequence[str], log_path: Path, port: int) -> Iterator[httpx.Client]:
    with log_path.open("wb") as log, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: _is_ready(client), timeout_s=START_TIMEOUT_S, what=command[0])
            yield client
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def keep_compared(expression: str) -> str:
    """The expression with comparisons that answer 0 or 1 instead of leaving series out: an alert's expression
    has a result when it does not fire, too, if everything that it asks for is there."""
    return COMPARISON.sub(lambda found: f"{found[0]} bool" if found[1] else found[0], expression)
