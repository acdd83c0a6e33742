"""The REST API of a Ray cluster's dashboard: Ray Serve's applications, nodes, and logs of replicas.

Blocking and bounded in time. Ray Serve's one way to change applications (`PUT /api/serve/applications/`)
replaces every one that was deployed by REST, so a change reads them all, changes ours and writes all back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from gateway.conf import GatewayConfig
from gateway.locks import lock_folder
from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause
from modelops.runtimes.base import RuntimeFailure, RuntimeUnavailable

READ_TIMEOUT_S = 3.0
WRITE_TIMEOUT_S = 60.0
"""The first application of a cluster starts Ray Serve itself."""
FRESH_S = 0.4
"""How old an answer may be that several questions of one look share."""
SERVE_PORT = 8000
APPLICATIONS = "/api/serve/applications/"
DECLARATIVE = "declarative"
DELETING = "DELETING"
REDACTED = "<redacted>"
"""What Ray writes in place of values that it keeps from a caller; writing it back would lose them."""

_LOCK = "ray.lock"
_LOCK_PERIOD_S = 0.05

Applications = Mapping[str, Mapping[str, Any]]
"""Details of applications by name, as Ray Serve describes them."""
Configs = dict[str, dict[str, Any]]
"""Applications by name, in the form in which they are deployed."""


class RayDashboard:
    """Safe to use from several threads. Every call raises RuntimeUnavailable where nothing answers."""

    def __init__(self, config: GatewayConfig) -> None:
        self._url = config.ray_dashboard_url
        self._serve_url = find_serve_url(config)
        self._folder = Path(config.data_dir)
        self._token = config.ray_dashboard_token
        self._opened: httpx.Client | None = None
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._read_at = 0.0
        self._answer: Mapping[str, Any] | RuntimeUnavailable = {}

    def close(self) -> None:
        """Whoever asks after that opens it anew."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def list_applications(self) -> Applications:
        """Every application of the cluster, seen a moment ago at the longest."""
        with self._reading:
            if time.monotonic() - self._read_at > FRESH_S:
                # One that does not answer is not asked anew for each engine either.
                try:
                    self._answer = self._get(APPLICATIONS)
                except RuntimeUnavailable as exc:
                    self._answer = exc
                self._read_at = time.monotonic()
            answer = self._answer
        if isinstance(answer, RuntimeUnavailable):
            raise answer
        return answer.get("applications") or {}

    def change_applications(self, change: Callable[[Configs], None]) -> None:
        """Deploy what `change` makes of what is deployed. Others' applications are written back as they are.

        Raises RuntimeFailure where one of theirs could not be kept, or where Ray refuses the result.
        """
        with self._writing, self._locked():
            serve = self._get(APPLICATIONS)
            configs = collect_configs(serve.get("applications") or {})
            before = json.dumps(configs)
            change(configs)
            if json.dumps(configs) != before:
                self._put(build_request(serve, configs, serve_url=self._serve_url))
            self._read_at = 0.0

    def read_version(self) -> str:
        return str(self._get("/api/version").get("ray_version") or "")

    def list_nodes(self) -> list[Mapping[str, Any]]:
        """The nodes that are alive, with their `resources_total`."""
        found = self._get("/api/v0/nodes", detail="1")["data"]["result"]["result"]
        return [node for node in found if node.get("state") == "ALIVE"]

    def read_usage(self) -> Mapping[str, Mapping[str, Any]]:
        """By node id and resource: what is used, and what there is."""
        status = self._get("/api/cluster_status")["data"]["clusterStatus"] or {}
        return (status.get("loadMetricsReport") or {}).get("usageByNode") or {}

    def list_logs(self, node_id: str, worker_id: str) -> list[str]:
        """The files with the output of a worker: stdout, stderr."""
        answer = self._get("/api/v0/logs", node_id=node_id, glob=f"worker-{worker_id}*")
        return [name for names in answer["data"]["result"].values() for name in names]

    def read_log(self, node_id: str, filename: str, *, lines: int) -> bytes:
        """The last lines of a file."""
        return self._ask("/api/v0/logs/file", node_id=node_id, filename=filename, lines=str(lines)).content

    @property
    def _client(self) -> httpx.Client:
        if self._opened is None:
            self._opened = httpx.Client(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
                timeout=READ_TIMEOUT_S,
                trust_env=False,
                follow_redirects=False,
            )
        return self._opened

    def _get(self, path: str, **query: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = self._ask(path, **query).json()
        except ValueError as exc:
            raise _explain_unreachable(fill_in("{path} is not answered with JSON", path=path)) from exc
        return answer

    def _ask(self, path: str, **query: str) -> httpx.Response:
        with _translated_errors():
            response = self._client.get(path, params=query)
        _check(path, response)
        return response

    def _put(self, request: Mapping[str, Any]) -> None:
        with _translated_errors():
            response = self._client.put(APPLICATIONS, json=request, timeout=WRITE_TIMEOUT_S)
        if response.status_code == 400:
            raise RuntimeFailure(
                fill_in("Ray Serve refused the application: {reason}", reason=response.text[-600:]),
                code=Cause.BAD_SETTINGS,
            )
        _check(APPLICATIONS, response)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between switchers of this machine, so that no change is lost to another one's."""
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        pause = threading.Event()
        while (lock := lock_folder(self._folder, _LOCK)) is None:
            if time.monotonic() > deadline:
                raise RuntimeUnavailable(fill_in("Another process changes Ray Serve's applications."))
            pause.wait(_LOCK_PERIOD_S)
        try:
            yield
        finally:
            lock.close()


def find_serve_url(config: GatewayConfig) -> str:
    """Where Ray Serve answers requests, by the settings."""
    if config.ray_serve_url or not config.ray_dashboard_url:
        return config.ray_serve_url
    return f"http://{_bracket(urlsplit(config.ray_dashboard_url).hostname or '')}:{SERVE_PORT}"


def collect_configs(applications: Applications) -> Configs:
    """What was deployed by REST and is to stay, in the form in which it is deployed again.

    Raises RuntimeFailure where Ray does not tell all of it. Applications that were deployed otherwise
    (`serve.run`) are not touched by REST.
    """
    configs: Configs = {}
    for name, details in applications.items():
        config = details.get("deployed_app_config")
        if details.get("status") == DELETING:
            continue
        if config is None and details.get("source", DECLARATIVE) != DECLARATIVE:
            continue
        if config is None or REDACTED in json.dumps(config):
            raise RuntimeFailure(
                fill_in(
                    "Ray Serve does not tell how its application {name} was deployed, so nothing can be "
                    "changed without losing it.",
                    name=name,
                )
            )
        configs[name] = dict(config)
    return configs


def build_request(serve: Mapping[str, Any], configs: Configs, *, serve_url: str) -> dict[str, Any]:
    """The body of the PUT (`ServeDeploySchema`). What Ray Serve runs with already it keeps.

    Where it does not run, it is started with one proxy, on the head node, at the port of `serve_url`.
    """
    request: dict[str, Any] = {"applications": list(configs.values())}
    if not serve.get("http_options"):
        address = urlsplit(serve_url)
        is_local = address.hostname in ("127.0.0.1", "localhost", "::1")
        options = {"host": "127.0.0.1" if is_local else "0.0.0.0", "port": address.port or SERVE_PORT}  # noqa: S104
        return request | {"proxy_location": "HeadOnly", "http_options": options}
    kept = ("proxy_location", "http_options", "grpc_options", "target_capacity")
    return request | {name: serve[name] for name in kept if serve.get(name) is not None}


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check(path: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in (401, 403):
        raise RuntimeUnavailable(
            fill_in("The Ray cluster's dashboard refuses the gateway ({status}).", status=status),
            code=Cause.RAY_UNREACHABLE,
            advice=fill_in("Set RAY_DASHBOARD_TOKEN to the cluster's token."),
        )
    if status != 200:
        raise _explain_unreachable(fill_in("it answers {path} with {status}", path=path, status=status))


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise _explain_unreachable(type(exc).__name__) from exc


def _explain_unreachable(reason: str) -> RuntimeUnavailable:
    return RuntimeUnavailable(
        fill_in("The Ray cluster does not answer: {reason}.", reason=reason), code=Cause.RAY_UNREACHABLE
    )
