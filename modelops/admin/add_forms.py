"""The ways to say which model a new profile is for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from modelops.domain.profiles.imports.command_line import MOST_CHARACTERS
from modelops.profiles.compose_yaml import MOST_BYTES


class RepositoryForm(forms.Form):
    """By name, on the hub."""

    repository = forms.CharField(
        label=gettext_lazy("Repository"),
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "Qwen/Qwen2.5-7B-Instruct", "spellcheck": "false"}),
    )
    revision = forms.CharField(
        label=gettext_lazy("Revision"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("A branch, tag or commit; empty means the newest."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )


class EntryForm(forms.Form):
    """What else has to be said of a text that may hold several entries."""

    service = forms.CharField(
        label=gettext_lazy("Entry"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Only needed where several start an engine."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    repository = forms.CharField(
        label=gettext_lazy("Model on Hugging Face"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("OWNER/NAME; only needed where the text names a folder of weights."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )


class PastedCommandForm(EntryForm):
    """By a line that starts vLLM somewhere else."""

    field_order = ("command",)

    command = forms.CharField(
        label=gettext_lazy("Command"),
        max_length=MOST_CHARACTERS,
        strip=False,
        help_text=gettext_lazy(
            "vllm serve …, python -m vllm.entrypoints.openai.api_server … or docker run …"
        ),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )


class ForeignFileForm(EntryForm):
    """By a compose file or the configuration of a router, pasted or chosen."""

    field_order = ("compose", "file")

    compose = forms.CharField(
        label=gettext_lazy("Text of the file"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=gettext_lazy("or choose the file"),
        required=False,
        widget=forms.ClearableFileInput(attrs={"accept": ".yml,.yaml"}),
    )

    def clean(self) -> dict[str, Any]:
        """The text in `compose`, wherever it came from."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if chosen := values.get("file"):
            if chosen.size > MOST_BYTES:
                raise forms.ValidationError(gettext("The file is too large."))
            try:
                values["compose"] = chosen.read().decode("utf-8-sig")
            except UnicodeDecodeError as exc:
                raise forms.ValidationError(gettext("The file is not UTF-8.")) from exc
        if not str(values.get("compose") or "").strip():
            raise forms.ValidationError(gettext("Paste the file, or choose it."))
        return values
