"""Revocation between processes: what one does, the other's very next chat request sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway

CHAT = {"content": "hello", "max_tokens": 1, "store": False}
ROUNDS = 20


@pytest.fixture(scope="module")
def first(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("revocation"), simulator) as process:
        yield process


@pytest.fixture(scope="module")
def second(first: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Another web process on the same PostgreSQL and Redis, with a data folder of its own."""
    folder: Path = tmp_path_factory.mktemp("second")
    other = GatewayProcess(
        first.environment | {"GATEWAY_DATA_DIR": str(folder)}, log_path=folder / "gateway.log"
    )
    other.start()
    yield other
    other.stop()


def log_in(gateway: GatewayProcess, username: str = "demo", password: str = USER_PASSWORD) -> dict[str, str]:
    answer = httpx.post(f"{gateway.url}/api/auth/login", json={"username": username, "password": password})
    content: dict[str, str] = answer.raise_for_status().json()
    return content


def chat(gateway: GatewayProcess, credential: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {credential}"}
    return httpx.post(f"{gateway.url}/api/chat", json=CHAT, headers=headers, timeout=30)


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error", {}).get("code")


def new_key(gateway: GatewayProcess, *arguments: str) -> str:
    return gateway.manage("create_api_key", "demo", "--quiet", *arguments).strip()


def test_command_in_another_process_is_seen_by_the_next_request(first: GatewayProcess) -> None:
    token, key = log_in(first)["access_token"], new_key(first)
    assert [chat(first, c).status_code for c in (token, key) * 3] == [200] * 6

    first.manage("revoke_sessions", "demo", "--keys")

    for credential in (token, key):
        assert code(chat(first, credential)) == (401, "token_revoked")


def test_key_without_the_scope_does_not_chat(first: GatewayProcess) -> None:
    assert code(chat(first, new_key(first, "--scope", "history"))) == (403, "permission_denied")


@pytest.mark.services
def test_logout_on_one_process_is_seen_by_the_next_request_on_the_other(
    first: GatewayProcess, second: GatewayProcess
) -> None:
    for _ in range(ROUNDS):
        pair = log_in(first)
        assert [chat(g, pair["access_token"]).status_code for g in (second, first, second)] == [200] * 3

        body = {"refresh_token": pair["refresh_token"]}
        assert httpx.post(f"{first.url}/api/auth/logout", json=body).status_code == 204

        assert code(chat(second, pair["access_token"])) == (401, "token_revoked")


@pytest.mark.services
def test_every_kind_of_revocation_on_one_process_is_seen_by_the_other(
    first: GatewayProcess, second: GatewayProcess
) -> None:
    def post(path: str, pair: dict[str, str], body: object) -> None:
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        httpx.post(f"{first.url}{path}", json=body, headers=headers).raise_for_status()

    def revoke_key(key: str) -> None:
        headers = {"Authorization": f"Bearer {log_in(first)['access_token']}"}
        with httpx.Client(base_url=first.url, headers=headers) as client:
            (row,) = [r for r in client.get("/api/keys").json()["data"] if key.startswith(r["prefix"])]
            client.delete(f"/api/keys/{row['id']}").raise_for_status()

    everywhere, changed, key = log_in(first), log_in(first), new_key(first)
    for credential in (everywhere["access_token"], changed["access_token"], key):
        assert chat(second, credential).status_code == 200

    revoke_key(key)
    assert code(chat(second, key)) == (401, "token_revoked")
    new_password = {"current": USER_PASSWORD, "new": USER_PASSWORD + " changed"}
    post("/api/auth/password", changed, new_password)
    for pair in (everywhere, changed):
        assert code(chat(second, pair["access_token"])) == (401, "token_revoked")
    last = log_in(first, password=new_password["new"])
    assert chat(second, last["access_token"]).status_code == 200
    post("/api/auth/logout", last, {"refresh_token": last["refresh_token"], "all": True})
    assert code(chat(second, last["access_token"])) == (401, "token_revoked")


def test_nothing_secret_is_logged(first: GatewayProcess) -> None:
    pair, key = log_in(first, "admin", ADMIN_PASSWORD), new_key_for_admin(first)
    wrong = "canary-password-that-is-wrong"
    httpx.post(f"{first.url}/api/auth/login", json={"username": "admin", "password": wrong})
    for credential in (pair["access_token"], key, key[:-1] + "_", pair["access_token"] + "x"):
        chat(first, credential)
    httpx.post(f"{first.url}/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})

    log = first.log()

    secrets = (ADMIN_PASSWORD, wrong, key[15:40], pair["access_token"][-30:], pair["refresh_token"][-30:])
    assert [secret for secret in secrets if secret in log] == []


def new_key_for_admin(gateway: GatewayProcess) -> str:
    return gateway.manage("create_api_key", "admin", "--quiet").strip()
