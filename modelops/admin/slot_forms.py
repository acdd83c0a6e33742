"""The form that makes or changes a slot: its box, its cards with their memory, its runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from gateway.wording import say
from modelops.domain.fit.report_text import format_bytes
from modelops.domain.runtimes import RUNTIMES
from modelops.models import Slot
from modelops.switching.boxes import BoxCard, KnownBox
from modelops.switching.card_claims import name_as_stored
from modelops.switching.placing import SlotWish

EVERY, THESE, NONE = "every", "these", "none"


class SlotForm(forms.Form):
    """`boxes` are those that are known; `owners` says which slot has a card, by the card."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=40,
        help_text=gettext_lazy(
            "Lower-case letters, digits and dashes. A retired slot's name takes it up again."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    box = forms.ChoiceField(label=gettext_lazy("Box"), required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("Cards"),
        choices=[
            (THESE, gettext_lazy("the cards ticked here")),
            (EVERY, gettext_lazy("every card of its box")),
            (NONE, gettext_lazy("no card: for engines that need none, as the simulated one")),
        ],
        widget=forms.RadioSelect,
        initial=THESE,
    )
    gpus = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    runtime = forms.ChoiceField(
        label=gettext_lazy("Runtime"),
        required=False,
        help_text=gettext_lazy("Profiles of another runtime are refused in this slot."),
    )

    def __init__(
        self,
        *args: Any,
        boxes: Sequence[KnownBox],
        owners: Mapping[str, str],
        slot: Slot | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(*args, **kw)
        heard = [box for box in boxes if box.is_heard]
        if slot is not None:
            del self.fields["name"]
            heard = [box for box in boxes if box.name == slot.box] or heard
        if slot is not None or len(heard) <= 1:
            del self.fields["box"]
        else:
            _offer(self.fields["box"], [(box.name, box.host or box.name) for box in heard])
        own = slot.slug if slot is not None else ""
        cards = [
            (card.key, _describe(card, box, owners, own=own, with_box=len(heard) > 1))
            for box in heard
            for card in box.cards or ()
        ]
        _offer(self.fields["gpus"], cards)
        any_runtime = gettext("any: each profile's own")
        runtimes = [(str(kind), say(traits.label, gettext)) for kind, traits in RUNTIMES.items()]
        _offer(self.fields["runtime"], [("", any_runtime), *runtimes])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("kind") == THESE and not values.get("gpus"):
            self.add_error("gpus", gettext("Tick at least one card, or choose another line above."))
        return values

    def to_wish(self) -> SlotWish:
        """What a valid form says."""
        values = self.cleaned_data
        kind = values["kind"]
        return SlotWish(
            gpus=values["gpus"] if kind == THESE else [],
            has_gpus=kind != NONE,
            runtime=values["runtime"],
            box=values.get("box") or None,
        )


def _offer(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = choices


def _describe(card: BoxCard, box: KnownBox, owners: Mapping[str, str], *, own: str, with_box: bool) -> str:
    size = format_bytes(card.total_bytes) if card.total_bytes else "?"
    parts = [f"GPU {card.index}", card.name, size]
    if with_box:
        parts.append(box.host or box.name)
    if (owner := owners.get(card.key)) and owner != own:
        parts.append(gettext("belongs to slot %(slot)s") % {"slot": owner})
    return ", ".join(part for part in parts if part)


def read_initial(slot: Slot, box: KnownBox | None) -> dict[str, Any]:
    """The form of a slot as it is now."""
    kind = NONE if not slot.has_gpus else THESE if slot.gpus else EVERY
    gpus = [name_as_stored(str(card), box) for card in slot.gpus]
    return {"kind": kind, "gpus": gpus, "runtime": slot.runtime}
