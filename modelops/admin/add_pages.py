"""The page that adds a profile: by a repository's name, a pasted command, or somebody else's file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from gateway.audit import record_change
from gateway.env import ConfigurationError
from gateway.errors import GatewayError, InvalidRequest
from gateway.wording import say
from modelops.admin.add_forms import ForeignFileForm, PastedCommandForm, RepositoryForm
from modelops.admin.proposal_view import list_facts, view_proposal
from modelops.domain.profiles.imports.engine_call import LeftOut, Taken
from modelops.domain.profiles.imports.entries import SourceKind
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import find_gpu_choice
from modelops.models import ModelProfile
from modelops.profiles.adding import (
    ProposedProfile,
    find_free_slug,
    propose,
    propose_imported,
    restore_proposal,
    save_proposal,
)
from modelops.profiles.importing import SeveralEntries, import_source
from modelops.profiles.link_advice import add_missing, describe_missing, find_missing_link_settings

if TYPE_CHECKING:
    from modelops.profiles.hub import RepositoryFacts

FORMS: dict[str, type[Form]] = {
    "repository": RepositoryForm,
    "command": PastedCommandForm,
    "compose": ForeignFileForm,
}


@dataclass(frozen=True)
class FoundModel:
    """What was found by a form: a proposal with its facts, or why there is none.

    `warning` is why the hub did not tell the facts of a model whose settings are known all the same.
    """

    proposed: ProposedProfile | None = None
    facts: RepositoryFacts | None = None
    left_out: tuple[LeftOut, ...] = ()
    taken: tuple[Taken, ...] = ()
    problem: str = ""
    warning: str = ""
    services: tuple[str, ...] = ()


def show_add_model(request: HttpRequest, admin: ModelAdmin[ModelProfile]) -> HttpResponse:
    """The forms; on POST what was found by one of them, or the profile's saving."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    choice = find_gpu_choice()
    by = request.POST.get("by", "")
    forms = {name: kind(prefix=name) for name, kind in FORMS.items()}
    found = FoundModel()
    if request.method == "POST" and "add_links" in request.POST:
        found = _show_again(request, choice)
        if found.proposed and (missing := find_missing_link_settings(found.proposed, choice)):
            found = FoundModel(restore_proposal(add_missing(found.proposed, missing), choice))
    elif request.method == "POST" and "profile" in request.POST:
        try:
            return _save(request, admin, choice)
        except GatewayError as exc:
            found = _show_again(request, choice, say(exc.wording, gettext))
    elif request.method == "POST" and by in FORMS:
        forms[by] = FORMS[by](request.POST, request.FILES, prefix=by)
        if forms[by].is_valid():
            found = find_model(by, forms[by].cleaned_data, choice)
    context = {
        **admin.admin_site.each_context(request),
        "title": gettext("Add a model"),
        "opts": ModelProfile._meta,
        "forms": forms,
        "by": by,
        "found": found,
        "hardware": choice,
        "proposal": view_proposal(found.proposed, choice) if found.proposed else None,
        "missing": _describe_missing(found.proposed, choice) if found.proposed else "",
        "facts": list_facts(found.facts) if found.facts else [],
    }
    status = 400 if found.problem else 200
    return TemplateResponse(request, "admin/modelops/modelprofile/add_model.html", context, status=status)


def _describe_missing(proposed: ProposedProfile, choice: GpuChoice) -> str:
    missing = find_missing_link_settings(proposed, choice)
    return say(describe_missing(missing), gettext) if missing else ""


def find_model(by: str, values: dict[str, Any], choice: GpuChoice) -> FoundModel:
    """Ask the hub for the model that a form names, and propose a profile. Never raises a GatewayError."""
    try:
        if by == "repository":
            facts = fetch(values["repository"].strip(), values["revision"].strip() or None)
            return FoundModel(_name_freely(propose(facts, choice)), facts)
        imported = _import(by, values)
    except SeveralEntries as exc:
        return FoundModel(problem=say(exc.wording, gettext), services=exc.names)
    except GatewayError as exc:
        return FoundModel(problem=say(exc.wording, gettext))
    return _complete(imported, choice)


def _import(by: str, values: dict[str, Any]) -> ImportedProfile:
    fallback = SourceKind.COMMAND if by == "command" else SourceKind.COMPOSE
    return import_source(
        values[by],
        entry=values["service"].strip(),
        repository=values["repository"].strip(),
        fallback=fallback,
    )


def _complete(imported: ImportedProfile, choice: GpuChoice) -> FoundModel:
    """With the model's facts, where the hub tells them: settings are of use without them, too."""
    facts, warning = None, ""
    try:
        facts = fetch(imported.repository, imported.revision, draft=imported.draft_repository)
    except GatewayError as exc:
        warning = say(exc.wording, gettext)
    try:
        proposed = _name_freely(propose_imported(imported, facts, choice))
    except GatewayError as exc:
        return FoundModel(left_out=imported.left_out, taken=imported.taken, problem=say(exc.wording, gettext))
    return FoundModel(proposed, facts, imported.left_out, imported.taken, warning=warning)


def fetch(repository: str, revision: str | None, *, draft: str = "") -> RepositoryFacts:
    """Raises one of `hub_errors`, or InvalidRequest for a setting of the hub that cannot be used."""
    # The hub's library takes most of a second to import, and few pages need it.
    from modelops.profiles.hub import fetch_facts_with_draft, read_hub_settings

    try:
        settings = read_hub_settings(os.environ)
    except ConfigurationError as exc:
        raise InvalidRequest(str(exc)) from exc
    return fetch_facts_with_draft(repository, draft, revision=revision, settings=settings)


def _name_freely(proposed: ProposedProfile) -> ProposedProfile:
    return replace(proposed, spec=replace(proposed.spec, slug=find_free_slug(proposed.spec.slug)))


def _read_shown(request: HttpRequest) -> dict[str, Any]:
    """The values that the page was sent back with, under the name that was typed. Raises InvalidRequest."""
    try:
        values = json.loads(request.POST["profile"])
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest("The profile cannot be read. Look the model up once more.") from exc
    if not isinstance(values, dict):
        raise InvalidRequest("The profile cannot be read. Look the model up once more.")
    return {**values, "slug": request.POST.get("slug", "").strip()}


def _show_again(request: HttpRequest, choice: GpuChoice, problem: str = "") -> FoundModel:
    """The proposal as it was shown, with what was wrong with saving it."""
    try:
        return FoundModel(restore_proposal(_read_shown(request), choice), problem=problem)
    except GatewayError as exc:
        return FoundModel(problem=problem or say(exc.wording, gettext))


def _save(request: HttpRequest, admin: ModelAdmin[ModelProfile], choice: GpuChoice) -> HttpResponse:
    proposed = restore_proposal(_read_shown(request), choice)
    goes_on = "switch" in request.POST
    with transaction.atomic():
        profile = save_proposal(proposed, is_enabled=goes_on)
        record_change("modelprofile_created", profile, request=request, changes={"is_enabled": goes_on})
    admin.log_addition(request, profile, "Added from the hub.")
    values = {"profile": profile.slug}
    if goes_on:
        messages.success(request, gettext("Saved %(profile)s.") % values)
        return HttpResponseRedirect(reverse("admin:modelops_modelprofile_switch", args=[profile.pk]))
    text = gettext("Saved %(profile)s, disabled. Enable it below to switch to it.") % values
    messages.success(request, text)
    return HttpResponseRedirect(reverse("admin:modelops_modelprofile_change", args=[profile.pk]))
