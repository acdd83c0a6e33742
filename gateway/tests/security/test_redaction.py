"""What may be in a log line: listed fields, and no text that looks like a secret or is one."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gateway.conf import BASE_DIR, GatewayConfig, secret_values
from gateway.redaction import LOGGED_FIELDS, REDACTED, Redactor

ROOMS = ("gateway", "accounts", "chat", "conversations", "modelops")
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s1gnatureOf-the_token"
KEY = "sk-gw-abcdefgh-0123456789abcdefghijklmnopqrstuvwxyz123456"

SCRIPT = """
import logging, structlog
from gateway.logging import configure_logging
configure_logging(level="DEBUG", style={style!r}, secrets=["hunter2hunter2"])
log = structlog.get_logger()
log.info("kept", path="/v1/models", status=200)
log.info("unlisted", password="canary-password", prompt="canary-prompt", body={{"a": "canary-body"}})
log.warning("free", error="Authorization: Bearer {jwt}", detail="key {key}", problem="hunter2hunter2")
try:
    raise RuntimeError("postgres://gateway:canary-in-url@db:5432/x refused, api_key=canary-in-text")
except RuntimeError:
    log.exception("failed")
    logging.getLogger("library").exception("login of %s with password: %s", "mina", "canary-positional")
logging.getLogger("library").warning("said", extra={{"request": "canary-extra"}})
"""


def calls() -> Iterator[tuple[str, str]]:
    """Every field that a log call of ours names, with where."""
    for room in ROOMS:
        for path in sorted((BASE_DIR / room).rglob("*.py")):
            if "tests" in path.parts or "simulator" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and is_log_call(node):
                    for keyword in node.keywords:
                        if keyword.arg:
                            yield keyword.arg, f"{path.relative_to(BASE_DIR)}:{node.lineno}"


def is_log_call(node: ast.Call) -> bool:
    """True for `log.info("event", …)`, `self._log.info(…)` and `(log.debug if x else log.info)(…)`."""
    function = node.func.body if isinstance(node.func, ast.IfExp) else node.func
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return False
    return ast.unparse(function.value).rpartition(".")[2] in {"log", "_log", "logger"}


def test_every_field_that_we_log_is_listed() -> None:
    found = list(calls())

    assert len(found) > 30
    assert {name: where for name, where in found if name not in LOGGED_FIELDS} == {}


@pytest.mark.parametrize("field", ["password", "token", "prompt", "content", "body", "authorization", "user"])
def test_nothing_that_holds_secrets_or_words_of_users_is_listed(field: str) -> None:
    assert field not in LOGGED_FIELDS
    assert Redactor()(None, "info", {"event": "x", field: "canary"})[field] == REDACTED


@pytest.fixture(scope="module", params=["json", "console"])
def output(request: pytest.FixtureRequest) -> str:
    """What a process with secrets in its mouth logs."""
    script = SCRIPT.format(style=request.param, jwt=JWT, key=KEY)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_no_secret_is_logged_in_either_style(output: str) -> None:
    assert "canary" not in output
    assert "hunter2" not in output
    assert "eyJ" not in output
    assert "sk-gw" not in output


def test_what_helps_an_operator_stays(output: str) -> None:
    for words in (
        "kept",
        "/v1/models",
        "unlisted",
        "RuntimeError",
        "refused",
        "db:5432",
        "mina",
        "Traceback",
    ):
        assert words in output


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"token {JWT} was refused", f"token {REDACTED} was refused"),
        (f"/v1/models/{KEY}", f"/v1/models/{REDACTED}"),
        ("sk-proj-0123456789abcdef", REDACTED),
        ("/api/shared/0123abcd.si-g_n?limit=5", f"/api/shared/{REDACTED}?limit=5"),
        ("/shared/0123abcd.si-g_n", f"/shared/{REDACTED}"),
        ("redis://:pass@host:6379/0", f"redis://{REDACTED}@host:6379/0"),
        ("postgres://u:p@host/db", f"postgres://{REDACTED}@host/db"),
        ("Bearer abc.def", REDACTED),
        ("x-api-key: abc.def", REDACTED),
        ("Authorization: Bearer opaque-token, then", f"{REDACTED}, then"),
        ("authorization=Basic dXNlcjpwYXNz", REDACTED),
        ("hf_abcdefghijklmnopqrst is refused", f"{REDACTED} is refused"),
        ("key AKIAABCDEFGHIJKLMNOP", f"key {REDACTED}"),
        ("{'API-Key': 'abc def'}", f"{{'{REDACTED}}}"),
        ('{"password": "x y"}', f'{{"{REDACTED}}}'),
        ("HF_TOKEN=hf_abc, next", f"{REDACTED}, next"),
        (
            'null value in column "a"\nDETAIL:  Failing row contains (1, hello\nworld).',
            f'null value in column "a"\n{REDACTED}',
        ),
        ("the engine does not accept connections", "the engine does not accept connections"),
        ("prompt_tokens 5", "prompt_tokens 5"),
        ("http://127.0.0.1:8000/v1/models", "http://127.0.0.1:8000/v1/models"),
    ],
)
def test_free_text_loses_what_looks_like_a_secret_and_nothing_else(text: str, cleaned: str) -> None:
    assert Redactor().clean(text) == cleaned


def test_own_secrets_are_known_with_the_passwords_in_urls() -> None:
    config = GatewayConfig(
        secret_key="s" * 40,
        database_url="postgres://u:db-password@h/d",
        redis_url="redis://:cache-password@h/0",
    )

    assert {"s" * 40, "db-password", "cache-password"} <= set(secret_values(config))
    assert "" not in secret_values(config)


def test_line_without_secrets_is_left_as_it_is() -> None:
    event = {"event": "request", "path": "/v1/models", "status": 200, "error": None}

    assert json.dumps(Redactor(["hunter2hunter2"])(None, "info", dict(event))) == json.dumps(event)
