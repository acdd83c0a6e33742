"""The admin's pages that make, change and retire slots, and divide a box by a template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from gateway.errors import GatewayError
from gateway.wording import fill_in, say
from modelops.admin.slot_forms import SlotForm, read_initial
from modelops.admin.switch_pages import find_actor
from modelops.models import DEFAULT_SLOT, Slot
from modelops.switching.boxes import KnownBox, find_box_of, list_boxes, name_cards
from modelops.switching.card_claims import list_claims, list_used_cards, name_as_stored
from modelops.switching.placing import change_slot, create_slot
from modelops.switching.retiring import SlotChange, retire_slot
from modelops.switching.slot_templates import SlotTemplate, apply_template


def show_making(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The form for a new slot; on POST it is made."""
    boxes = list_boxes()
    form = SlotForm(request.POST or None, boxes=boxes, owners=find_owners(boxes))

    def make() -> SlotChange:
        return create_slot(form.cleaned_data["name"], form.to_wish(), find_actor(request))

    return _show_form(request, site, form, boxes, act=make, title=gettext("Make a slot"))


def show_changing(request: HttpRequest, site: AdminSite, slot: Slot) -> HttpResponse:
    """The form of a slot; on POST it is changed."""
    boxes = list_boxes()
    initial = read_initial(slot, find_box_of(slot, boxes))
    form = SlotForm(request.POST or None, initial=initial, boxes=boxes, owners=find_owners(boxes), slot=slot)
    title = gettext("Cards of slot %(slot)s") % {"slot": slot.slug}

    def change() -> SlotChange:
        return change_slot(slot.slug, form.to_wish(), find_actor(request))

    return _show_form(request, site, form, boxes, act=change, title=title, slot=slot)


def _show_form(
    request: HttpRequest,
    site: AdminSite,
    form: SlotForm,
    boxes: Sequence[KnownBox],
    *,
    act: Callable[[], SlotChange],
    title: str,
    slot: Slot | None = None,
) -> HttpResponse:
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            changed = act()
        except GatewayError as exc:
            problem = say(exc.wording, gettext)
        else:
            messages.success(request, _say_change(changed, is_new=slot is None))
            return HttpResponseRedirect(link_list())
    used = list_used_cards(slot) if slot else ()
    box = find_box_of(slot, boxes) if slot else None
    context = {
        **site.each_context(request),
        "title": title,
        "opts": Slot._meta,
        "form": form,
        "slot": slot,
        "problem": problem,
        "has_cards": any(box.cards for box in boxes),
        "used": name_cards(sorted({name_as_stored(card, box) for card in used}), box),
    }
    status = 409 if problem else 200
    return TemplateResponse(request, "admin/modelops/slot/form.html", context, status=status)


def _say_change(changed: SlotChange, *, is_new: bool) -> str:
    names = {"slot": changed.slot.slug}
    if is_new:
        return say(fill_in("Slot {slot} is there: switch a profile to it.", **names), gettext)
    if not changed.changes:
        return say(fill_in("Slot {slot} is like this already.", **names), gettext)
    done = fill_in("Slot {slot} is changed. What serves goes on; the next start keeps to it.", **names)
    return say(done, gettext)


def find_owners(boxes: Sequence[KnownBox]) -> dict[str, str]:
    """Which slot has a card, by the card's key; every card of a box is of the slot that takes them all."""
    claims = list_claims(boxes)
    owners = {card: claim.slot for claim in claims for card in claim.cards}
    for claim in claims:
        for box in boxes:
            if claim.takes_every_card and (not claim.boxes or box.name in claim.boxes):
                owners |= {card.key: claim.slot for card in box.cards or () if card.key not in owners}
    return owners


def show_retiring(request: HttpRequest, site: AdminSite, slot: Slot) -> HttpResponse:
    """What retiring the slot means; on POST it is asked for."""
    serving = slot.engines.filter(ended_at=None).first()
    problem = ""
    if request.method == "POST":
        try:
            changed = retire_slot(
                slot.slug,
                find_actor(request),
                stop=serving is not None,
                force=request.POST.get("force") == "on",
            )
        except GatewayError as exc:
            problem = say(exc.wording, gettext)
        else:
            messages.success(request, _say_retirement(changed))
            return HttpResponseRedirect(link_list())
    box = find_box_of(slot, list_boxes())
    context = {
        **site.each_context(request),
        "title": gettext("Retire slot %(slot)s") % {"slot": slot.slug},
        "opts": Slot._meta,
        "slot": slot,
        "serving": serving,
        "problem": problem,
        "is_box_gone": bool(slot.box) and (box is None or not box.is_heard),
    }
    status = 409 if problem else 200
    return TemplateResponse(request, "admin/modelops/slot/retire.html", context, status=status)


def _say_retirement(changed: SlotChange) -> str:
    names = {"slot": changed.slot.slug}
    if changed.slot.retired_at is not None:
        return say(fill_in("Slot {slot} is retired; its history stays.", **names), gettext)
    return say(fill_in("Slot {slot} is retired as soon as its engine has ended.", **names), gettext)


@require_POST
def apply(request: HttpRequest, template: str) -> HttpResponse:
    """Divide the default slot's box by a template."""
    if template not in list(SlotTemplate):
        raise Http404
    try:
        made = apply_template(SlotTemplate(template), find_actor(request))
    except GatewayError as exc:
        messages.error(request, say(exc.wording, gettext))
        return HttpResponseRedirect(link_list())
    for changed in made:
        if changed.slot.retiring_at is not None or changed.slot.retired_at is not None:
            messages.success(request, _say_retirement(changed))
        elif changed.changes:
            messages.success(request, _say_change(changed, is_new=changed.slot.slug != DEFAULT_SLOT))
    if any(changed.slot.retiring_at is not None for changed in made):
        messages.info(
            request, gettext("When it is gone, press the same button again: the default slot gets its cards.")
        )
    elif not any(changed.changes for changed in made):
        messages.info(request, gettext("The box is divided like this already."))
    return HttpResponseRedirect(link_list())


def link_list() -> str:
    return reverse("admin:modelops_slot_changelist")


def wrap(admin: Any, show: Callable[[HttpRequest, AdminSite, Slot], HttpResponse]) -> Any:
    """A view of one slot, for those who may see the admin."""

    def view(request: HttpRequest, slot_id: Any) -> HttpResponse:
        slot = get_object_or_404(Slot.objects.in_use(), pk=slot_id)
        return show(request, admin.admin_site, slot)

    return admin.admin_site.admin_view(view)
