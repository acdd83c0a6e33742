"""What tests do with the list of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.tests.live import GatewayProcess

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def add(site: GatewayProcess, *titles: str) -> list[str]:
    """Ids of new conversations; the last one is first in the list."""
    with site.client() as client:
        answers = [client.post("/api/conversations", json={"title": title}) for title in titles]
        return [answer.raise_for_status().json()["id"] for answer in answers]


def read(site: GatewayProcess, conversation_id: str) -> dict[str, Any]:
    with site.client() as client:
        answer: dict[str, Any] = client.get(f"/api/conversations/{conversation_id}").json()
        return answer


def row(page: Page, title: str) -> Locator:
    rows = page.get_by_role("navigation", name="Conversations").get_by_role("listitem")
    return rows.filter(has=page.get_by_text(title, exact=True))


def choose(page: Page, title: str, action: str) -> None:
    row(page, title).hover()
    page.get_by_role("button", name=f"Actions for {title}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def show(page: Page, name: str, view: str) -> None:
    """Change the list from the view of this name to another."""
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("menuitemradio", name=view, exact=True).click()
    page.get_by_role("button", name=view, exact=True).wait_for()


def empty_account(site: GatewayProcess) -> None:
    """Leave no conversations and no folders of `demo`."""
    with site.client() as client:
        for action in ("restore", "delete"):
            client.post("/api/conversations/bulk", json={"action": action, "all": True}).raise_for_status()
        for folder in client.get("/api/folders").json()["data"]:
            client.delete(f"/api/folders/{folder['id']}")
