"""Which headers bring a credential, and what becomes of two that say different things."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.credential_headers import authorization_of
from gateway.errors import AuthenticationFailed

V1, OWN = "/v1/chat/completions", "/api/chat"


def scope_with(path: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return {"path": path, "headers": [(name.encode(), value.encode()) for name, value in headers]}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([("authorization", "Bearer a")], "Bearer a"),
        ([("authorization", "Basic a")], "Basic a"),
        ([("x-api-key", "a")], "Bearer a"),
        ([("api-key", " a ")], "Bearer a"),
        ([("x-api-key", "a"), ("api-key", "a"), ("authorization", "bearer a")], "Bearer a"),
        ([("x-api-key", ""), ("authorization", "Bearer a")], "Bearer a"),
        ([("x-api-key", "a"), ("authorization", "Bearer ")], "Bearer a"),
        ([("x-api-key", "")], None),
        ([("authorization", "Bearer a"), ("authorization", "Bearer a")], "Bearer a"),
    ],
    ids=repr,
)
def test_credential_is_found_in_any_of_three_headers(
    headers: list[tuple[str, str]], found: str | None
) -> None:
    assert authorization_of(scope_with(V1, *headers)) == found


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", "a"), ("authorization", "Bearer b")],
        [("x-api-key", "a"), ("authorization", "Basic a")],
        [("x-api-key", "a"), ("api-key", "b")],
        [("x-api-key", "a"), ("x-api-key", "b")],
        [("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ],
    ids=repr,
)
def test_two_different_credentials_are_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(AuthenticationFailed, match="two different credentials"):
        authorization_of(scope_with(V1, *headers))


def test_the_gateways_own_paths_know_one_header() -> None:
    assert authorization_of(scope_with(OWN, ("x-api-key", "a"))) is None
    assert authorization_of(scope_with(OWN, ("x-api-key", "a"), ("authorization", "Bearer b"))) == "Bearer b"
