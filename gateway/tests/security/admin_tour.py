"""A way through the admin's forms, lists, searches and change pages; the pages are kept as they came."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx

from gateway.tests.admin_pages import registered_pages
from gateway.tests.databases import ADMIN_PASSWORD

ROWS_OF_A_LIST = 3


class AdminTour:
    """An administrator's browser. `pages`: what it was shown, by method and address."""

    def __init__(self, client: httpx.Client) -> None:
        self.pages: dict[str, str] = {}
        self._client = client

    def fill_in_wrongly(self, *, username: str, password: str, other_password: str) -> None:
        """Every form that takes a password, with passwords that do not do. Signs in on its way."""
        self._submit("/admin/login/", {"username": username, "password": password})
        self._submit("/admin/login/", {"username": username, "password": other_password, "next": "/admin/"})
        page = self._submit("/admin/login/", {"username": "admin", "password": ADMIN_PASSWORD})
        assert page.status_code == 302
        form = {"old_password": password, "new_password1": other_password, "new_password2": password}
        self._submit("/admin/password_change/", form)
        pair = {"password1": password, "password2": other_password, "usable_password": "true"}
        self._submit("/admin/accounts/user/add/", {"username": username, "role": "user", **pair})
        (account,) = self._rows(f"/admin/accounts/user/?q={username}")
        self._submit(account.replace("/change/", "/password/"), pair)

    def look_around(self, *, search: str) -> None:
        """Every list, a search in it, and the pages of its first rows."""
        for model in registered_pages():
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            self._look(f"{path}?q={search}")
            for row in self._rows(path)[:ROWS_OF_A_LIST]:
                self._look(row)
                self._look(row.replace("/change/", "/history/"))

    def _rows(self, path: str) -> list[str]:
        links = re.findall(r'<th[^>]*><a href="(/admin/[^"?]+/change/)', self._look(path))
        return list(dict.fromkeys(links))

    def _look(self, path: str) -> str:
        page = self._client.get(path)
        assert page.status_code == 200, path
        self.pages[f"GET {path}"] = page.text
        return page.text

    def _submit(self, path: str, form: Mapping[str, str]) -> httpx.Response:
        self._look(path)
        form = {**form, "csrfmiddlewaretoken": self._client.cookies["csrftoken"]}
        page = self._client.post(path, data=form)
        self.pages[f"POST {path} {len(self.pages)}"] = page.text
        return page
