"""docs/api.md: every command and program in it runs as it stands, against a running gateway."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.conf import BASE_DIR
from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.needs import NODE_PROJECT, NeedMissing, find_node, skip_loudly

PAGE = (BASE_DIR / "docs" / "api.md").read_text()
SIMULATED = "This is a simulated reply"


@pytest.fixture(scope="module")
def guided(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """As `make run` makes one: with the seeded profiles. What the guide stores is nobody else's."""
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("guide"), simulator) as gateway:
        gateway.manage("load_profiles")
        yield gateway


@pytest.fixture(scope="module")
def key(guided: GatewayProcess) -> str:
    asked = {"name": "guide", "scopes": ["chat", "history", "models:read"]}
    with guided.client() as client:
        answer = client.post("/api/keys", json=asked)
    made: str = answer.raise_for_status().json()["key"]
    return made


def read_snippets(language: str, gateway: GatewayProcess, key: str) -> str:
    """The page's snippets in one language, one after the other, for this gateway."""
    text = "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    for shown, here in {
        "http://127.0.0.1:8080": gateway.url,
        "the-printed-password": USER_PASSWORD,
        "the-password-of-admin": ADMIN_PASSWORD,
        "your-key": key,
    }.items():
        text = text.replace(shown, here)
    return text


def test_every_snippet_is_in_a_language_that_is_run_here() -> None:
    languages = set(re.findall(r"^```(\w+)$", PAGE, re.MULTILINE))

    assert languages == {"sh", "python", "javascript", "json", "console"}


def test_curl_logs_in_chats_stores_attaches_and_plans_a_switch(
    guided: GatewayProcess, key: str, tmp_path: Path
) -> None:
    script = read_snippets("sh", guided, key).rstrip()
    *commands, planned = script.split("\ncurl ")
    # Of a switch that is refused here, where no switcher runs, the answer is no success.
    strict = 'set -euo pipefail\ncurl() { command curl -S --fail-with-body "$@"; }'
    script = "\n".join([strict, "\ncurl ".join(commands), f"command curl {planned}"])

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    for seen in (
        '"username":"demo"',
        '"id":"current"',
        SIMULATED,
        "data: [DONE]",
        "How long is it?",
        '"plan":',
    ):
        assert seen in done.stdout, seen


def test_python_asks_streams_goes_on_and_meets_an_error(guided: GatewayProcess, key: str) -> None:
    program = compile(read_snippets("python", guided, key), "docs/api.md", "exec")
    printed = io.StringIO()
    names: dict[str, object] = {}

    with contextlib.redirect_stdout(printed):
        exec(program, names)  # noqa: S102 - our own documentation

    for name in ("client", "gateway"):
        names[name].close()  # type: ignore[attr-defined]
    assert printed.getvalue().count(SIMULATED) == 3
    assert "404 model_not_found" in printed.getvalue()


def test_javascript_asks_streams_and_goes_on(guided: GatewayProcess, key: str) -> None:
    try:
        node = find_node()
    except NeedMissing as exc:
        skip_loudly("the guide's JavaScript", exc)

    done = subprocess.run(
        [node, "--input-type=module", "-"],
        input=read_snippets("javascript", guided, key),
        cwd=NODE_PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(SIMULATED) == 3
