"""Tags of the operators' desk: its navigation, and the scripts of its pages.

The navigation has the subjects an operator thinks in, each with its pages. What may be seen is Django's to
say: a page is named only if it is among the `available_apps` of the admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy

from gateway.conf import get_config
from gateway.page_modules import list_imported_modules

register = template.Library()


@dataclass(frozen=True)
class DeskPage:
    """A list of the admin, by its model as `app.model`."""

    title: Promise | str
    model: str


@dataclass(frozen=True)
class DeskSubject:
    title: Promise | str
    pages: tuple[DeskPage, ...]


SUBJECTS = (
    DeskSubject(
        gettext_lazy("Profiles"),
        (
            DeskPage(gettext_lazy("Profiles"), "modelops.modelprofile"),
            DeskPage(gettext_lazy("Hardware profiles"), "modelops.hardwareprofile"),
        ),
    ),
    DeskSubject(
        gettext_lazy("Switches"),
        (
            DeskPage(gettext_lazy("Switches"), "modelops.switch"),
            DeskPage(gettext_lazy("Engines"), "modelops.engine"),
            DeskPage(gettext_lazy("Slots"), "modelops.slot"),
            DeskPage(gettext_lazy("Schedule"), "modelops.schedulewindow"),
        ),
    ),
    DeskSubject(gettext_lazy("GPUs"), (DeskPage(gettext_lazy("GPUs"), "modelops.hardwaresample"),)),
    DeskSubject(
        gettext_lazy("People"),
        (
            DeskPage(gettext_lazy("Accounts"), "accounts.user"),
            DeskPage(gettext_lazy("Groups"), "accounts.accountgroup"),
            DeskPage(gettext_lazy("Limits"), "accounts.limit"),
            DeskPage(gettext_lazy("API keys"), "accounts.apikey"),
            DeskPage(gettext_lazy("Sessions"), "accounts.session"),
            DeskPage(gettext_lazy("Usage"), "accounts.dailyusage"),
            *(
                [DeskPage(gettext_lazy("Identity provider"), "accounts.externalidentity")]
                if get_config().oidc_issuer
                else []
            ),
        ),
    ),
    DeskSubject(
        gettext_lazy("Conversations"),
        (
            DeskPage(gettext_lazy("Conversations"), "conversations.conversation"),
            DeskPage(gettext_lazy("Messages"), "conversations.message"),
            DeskPage(gettext_lazy("Feedback"), "conversations.feedback"),
            DeskPage(gettext_lazy("Files"), "conversations.storedfile"),
            DeskPage(gettext_lazy("Folders"), "conversations.folder"),
            DeskPage(gettext_lazy("Saved prompts"), "conversations.savedprompt"),
            DeskPage(gettext_lazy("Shared links"), "conversations.sharedlink"),
            DeskPage(gettext_lazy("Retention rules"), "conversations.retentionrule"),
        ),
    ),
    DeskSubject(gettext_lazy("Audit"), (DeskPage(gettext_lazy("Audit"), "accounts.auditevent"),)),
)


@dataclass(frozen=True)
class Link:
    title: Promise | str
    url: str
    is_current: bool


@register.inclusion_tag("admin/desk/navigation.html", takes_context=True)
def desk_navigation(context: Mapping[str, Any]) -> dict[str, Any]:
    """The subjects, and the pages of the one that is open where it has several."""
    path = context["request"].path
    urls = _seen_lists(context.get("available_apps") or ())
    front = reverse("admin:index")
    subjects = [Link(gettext_lazy("Desk"), front, path == front)]
    pages: list[Link] = []
    for subject in SUBJECTS:
        links = [
            Link(page.title, urls[page.model], path.startswith(urls[page.model]))
            for page in subject.pages
            if page.model in urls
        ]
        if not links:
            continue
        is_current = any(link.is_current for link in links)
        subjects.append(Link(subject.title, links[0].url, is_current))
        if is_current and len(links) > 1:
            pages = links
    return {"subjects": subjects, "pages": pages}


def _seen_lists(available_apps: Any) -> dict[str, str]:
    """The path of each list that the user may see, by `app.model`."""
    return {
        f"{app['app_label']}.{model['object_name'].lower()}": model["admin_url"]
        for app in available_apps
        for model in app["models"]
        if model["admin_url"]
    }


@register.inclusion_tag("admin/desk/script.html", takes_context=True)
def desk_script(context: Mapping[str, Any], script: str) -> dict[str, Any]:
    """A module of the pages' scripts with what it needs: words, the form's token, and what it imports."""
    return {
        "script": script,
        "modules": list_imported_modules(script),
        "language": get_language() or "en",
        "version": settings.PRODUCT_VERSION,
        "csrf_token": context.get("csrf_token"),
    }
