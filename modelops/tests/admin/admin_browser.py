"""The admin's pages about models, as a test client sees them."""

from __future__ import annotations

from typing import Any

from django.test import Client

LIST = "/admin/modelops/modelprofile/"
FIT = "/admin/modelops/modelprofile/fit/"
HARDWARE = "/admin/modelops/hardwaresample/"


def page(web: Client, path: str, **query: Any) -> str:
    response = web.get(path, query)
    assert response.status_code == 200, response
    return response.content.decode()


def cells(html: str, slug: str) -> list[str]:
    """The texts of a profile's row in the list."""
    row = next(part for part in html.split("<tr") if f">{slug}</a>" in part)
    return [text.rpartition(">")[2] for text in row.split("<") if text.rpartition(">")[2].strip()]


def form_data(web: Client, path: str) -> dict[str, Any]:
    """What a browser would send back of a form, line ends included."""
    form = web.get(path).context["adminform"].form
    values = {field.html_name: field.value() for field in form}
    return {
        name: "on" if value is True else str(value).replace("\n", "\r\n")
        for name, value in values.items()
        if value is not None and value is not False
    }
