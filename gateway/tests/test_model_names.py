"""Names of models, fields and pages of the admin, in the language of the reader."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.utils.functional import Promise
from django.utils.translation import gettext, override

from accounts.models import Limit, Session, User
from conversations.models import Conversation
from gateway.model_names import list_admin_names, list_model_names, list_shown_models, translate_admin
from modelops.models import ModelProfile, Slot, Switch

HANGUL = re.compile(r"[가-힣]")


@pytest.fixture(autouse=True)
def registered_pages() -> None:
    """As `gateway.urls` does, whatever ran before in this process."""
    admin.autodiscover()
    translate_admin(admin.site)


def test_models_are_named_in_the_active_language() -> None:
    with override("ko"):
        korean = [str(User._meta.verbose_name), str(Switch._meta.verbose_name_plural)]
    with override("en"):
        english = [str(User._meta.verbose_name), str(Switch._meta.verbose_name_plural)]

    assert korean == ["사용자", "전환"]
    assert english == ["user", "switches"]


def test_plural_that_django_makes_is_translated_too() -> None:
    with override("ko"):
        assert str(Conversation._meta.verbose_name_plural) == "대화"
    with override("en"):
        assert str(Conversation._meta.verbose_name_plural) == "conversations"


def test_fields_with_help_and_choices_are_named_in_the_active_language() -> None:
    field = Slot._meta.get_field("gate")
    switch = Switch(state="rolled_back", via="command")

    with override("ko"):
        assert str(field.verbose_name) == "게이트"
        assert str(Slot._meta.get_field("epoch").help_text) == "게이트나 활성 엔진이 바뀔 때마다 커집니다."
        assert (switch.get_state_display(), switch.get_via_display()) == ("실패, 되돌림", "명령줄")
    assert (switch.get_state_display(), switch.get_via_display()) == ("rolled back", "command line")


def test_values_of_the_engine_s_flags_are_the_same_in_every_language() -> None:
    with override("ko"):
        assert ModelProfile(dtype="bfloat16").get_dtype_display() == "bfloat16"


def test_columns_actions_and_headings_of_pages_are_in_the_active_language() -> None:
    limits = admin.site._registry[Limit]
    sessions = admin.site._registry[Session]

    with override("ko"):
        column = str(label_for_field("amount", Limit, limits))
        heading = str(limits.fieldsets[0][0])  # type: ignore[index]
        action = str(sessions.get_action("end")[2])  # type: ignore[index]

    assert (column, heading, action) == ("한도", "대상", "선택한 세션 종료")


def test_every_name_that_readers_see_is_translated() -> None:
    names = [*list_model_names(list_shown_models(admin.site)), *list_admin_names(admin.site)]

    with override("ko"):
        same = {name.text for name in names if gettext(name.text) == name.text}

    assert len(names) > 300
    assert {text for text in same if HANGUL.search(text)} == set()
    assert same <= {"API", "REST", "dtype", "config.json", "ID", "vLLM", "Ray Serve"}


def test_names_are_translated_once_however_often_pages_are_registered() -> None:
    before = [name.text for name in list_admin_names(admin.site)]

    translate_admin(admin.site)

    assert [name.text for name in list_admin_names(admin.site)] == before


def test_apps_are_named_in_the_active_language() -> None:
    name = apps.get_app_config("modelops").verbose_name

    assert isinstance(name, Promise)
    with override("ko"):
        assert str(name) == "모델"
