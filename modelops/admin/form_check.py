"""The verdict of a profile's form while it is edited. Nothing that is sent here is ever saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from modelops.admin.fit_pages import describe_fit, view_fit
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import ProfileFit, check_profile, find_gpu_choice
from modelops.models import ModelProfile


@dataclass(frozen=True)
class FormProblem:
    """What is wrong with one field. `field_id` is its element's, empty for the form as a whole."""

    label: str
    field_id: str
    reasons: tuple[str, ...]


@require_POST
def check_form(
    request: HttpRequest, admin: ModelAdmin[ModelProfile], profile: ModelProfile | None
) -> HttpResponse:
    """Parts of the page as HTML: the verdict in a line, and the report or what is wrong with the form."""
    may = admin.has_change_permission(request, profile) if profile else admin.has_add_permission(request)
    if not may:
        raise PermissionDenied
    form = admin.get_form(request, profile, change=profile is not None)(request.POST, instance=profile)
    if form.is_valid():
        choice = find_gpu_choice()
        parts = render_parts(check_profile(form.instance, choice), choice)
    else:
        context = {"problems": list_problems(form)}
        parts = {
            "line": render_to_string("admin/modelops/modelprofile/form_line.html", context),
            "report": render_to_string("admin/modelops/modelprofile/form_problems.html", context),
        }
    return JsonResponse(parts, headers={"Cache-Control": "no-store"})


def render_parts(fit: ProfileFit, choice: GpuChoice) -> dict[str, str]:
    """The line and the report of a form that is valid."""
    context: dict[str, Any] = {
        "view": view_fit(fit, choice),
        "verdict": describe_fit(fit),
        "hardware": choice,
        "is_form": True,
    }
    return {
        "line": render_to_string("admin/modelops/modelprofile/form_line.html", context),
        "report": render_to_string("admin/modelops/fit_report.html", context),
    }


def list_problems(form: BaseForm) -> list[FormProblem]:
    """In the order of the form's fields, as people read their names."""
    problems = []
    for name, errors in form.errors.items():
        reasons = tuple(str(error) for error in errors)
        if name == NON_FIELD_ERRORS or name not in form.fields:
            problems.append(FormProblem("", "", reasons))
        else:
            field = form[name]
            problems.append(FormProblem(str(field.label), field.id_for_label, reasons))
    return problems
