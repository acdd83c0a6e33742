"""Accounts of a running gateway, and an administrator at its admin pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from gateway.tests.databases import ADMIN_PASSWORD
from gateway.tests.live import GatewayProcess

PASSWORD = "correct horse battery staple"
_numbers = itertools.count()


@dataclass(frozen=True)
class Person:
    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client(self, gateway: GatewayProcess) -> httpx.Client:
        return httpx.Client(base_url=gateway.url, headers=self.headers, timeout=30)


def register(gateway: GatewayProcess) -> Person:
    """A new account on a gateway with REGISTRATION=true, which nobody else has used anything of."""
    body = {"username": f"person-{next(_numbers)}", "password": PASSWORD}
    answer = httpx.post(f"{gateway.url}/api/auth/register", json=body).raise_for_status().json()
    return Person(answer["user"]["id"], answer["access_token"])


class AdminPages:
    """An administrator's browser."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def set_limit(self, **fields: object) -> None:
        """As `add` and its form's button do."""
        form = {name: str(value) for name, value in fields.items()}
        page = self._post("/admin/accounts/limit/add/", form)
        assert page.status_code == 302, page.text[:3000]

    def remove_limits(self) -> None:
        page = self._client.get("/admin/accounts/limit/").text
        chosen = [part.split('"')[0] for part in page.split('name="_selected_action" value="')[1:]]
        form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
        assert self._post("/admin/accounts/limit/", form).status_code == 302

    def log_in(self) -> None:
        self._client.get("/admin/login/")
        form = {"username": "admin", "password": ADMIN_PASSWORD}
        assert self._post("/admin/login/", form).status_code == 302

    def _post(self, path: str, form: Mapping[str, object]) -> httpx.Response:
        token = self._client.cookies["csrftoken"]
        return self._client.post(path, data={**form, "csrfmiddlewaretoken": token})


@contextmanager
def admin_pages(gateway: GatewayProcess) -> Iterator[AdminPages]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        pages = AdminPages(client)
        pages.log_in()
        yield pages
