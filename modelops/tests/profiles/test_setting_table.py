"""What is said of a setting elsewhere agrees with the table that declares it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models

from modelops.admin.profiles import ModelProfileAdmin
from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit.measured_run import to_measured_run
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.models import HardwareProfile, ModelProfile
from modelops.tests.profiles.profile_examples import make_profile

PROFILE_SETTINGS = {each.name: each for each in list_settings(ProfileSpec)}
COLUMNS = [
    pytest.param(model, each, id=f"{model.__name__}.{each.name}")
    for model, spec_type in ((ModelProfile, ProfileSpec), (HardwareProfile, HardwareSpec))
    for each in list_settings(spec_type)
]
BOOKKEEPING = {"id", "seeded_values", "created_at", "updated_at"}
LOOKED_AT_APART = {"tensor_parallel_size", "max_model_len", "gpu_memory_utilization"}
"""What one start measured is converted to another size, context or share of the card."""


def accepts(setting: Setting, value: Any) -> bool:
    problems: list[Any] = []
    setting.kind.read(setting.name, value, problems)
    return not problems


def find_empty_value(column: Any, setting: Setting) -> Any:
    if isinstance(column, models.JSONField):
        return type(setting.default)()
    return "" if isinstance(column, models.CharField | models.TextField) else None


@pytest.mark.parametrize(
    ("model", "spec_type"), [(ModelProfile, ProfileSpec), (HardwareProfile, HardwareSpec)]
)
def test_table_and_columns_name_the_same_settings(model: type[models.Model], spec_type: type[Any]) -> None:
    columns = {column.name for column in model._meta.concrete_fields}

    assert columns - BOOKKEEPING == {each.name for each in list_settings(spec_type)}


@pytest.mark.parametrize(("model", "setting"), COLUMNS)
def test_column_may_be_empty_where_the_setting_may(model: type[models.Model], setting: Setting) -> None:
    column: Any = model._meta.get_field(setting.name)

    assert column.null == accepts(setting, None)
    if not isinstance(column, models.BooleanField):
        assert column.blank == accepts(setting, find_empty_value(column, setting))


@pytest.mark.parametrize(("model", "setting"), COLUMNS)
def test_column_holds_whatever_the_setting_accepts(model: type[models.Model], setting: Setting) -> None:
    column: Any = model._meta.get_field(setting.name)

    if isinstance(column, models.CharField):
        longest = max(map(len, setting.kind.choices), default=setting.kind.max_length)
        assert longest is not None and column.max_length is not None and longest <= column.max_length
    if isinstance(column, models.IntegerField):
        lowest, highest = connection.ops.integer_field_range(column.get_internal_type())
        assert lowest is not None and not accepts(setting, lowest - 1)
        assert highest is not None and not accepts(setting, highest + 1)


@pytest.mark.parametrize(("model", "setting"), COLUMNS)
def test_column_offers_the_choices_of_the_setting(model: type[models.Model], setting: Setting) -> None:
    column: Any = model._meta.get_field(setting.name)

    assert [value for value, _ in column.choices or ()] == list(setting.kind.choices)


@pytest.mark.parametrize("setting", PROFILE_SETTINGS.values(), ids=PROFILE_SETTINGS)
def test_start_with_another_value_is_evidence_unless_the_setting_decides_memory(setting: Setting) -> None:
    spec = make_profile()
    values = to_values(spec)
    sizes = EngineSizes(tensor_parallel_size=1, max_model_len=4096)

    run = to_measured_run(
        to_engine_settings(spec),
        values,
        {**values, setting.name: "another"},
        sizes,
        source="a-1",
        gpu_name="RTX 3090",
    )

    assert (run is None) == (setting.decides_memory and setting.name not in LOOKED_AT_APART)


def test_start_before_a_setting_existed_had_its_default() -> None:
    spec = make_profile()
    values = to_values(spec)
    before = {name: value for name, value in values.items() if name not in ("enforce_eager", "extra_flags")}
    sizes = EngineSizes(tensor_parallel_size=1, max_model_len=4096)

    def read_run(now: dict[str, Any]) -> Any:
        start = {"source": "a-1", "gpu_name": "RTX 3090"}
        return to_measured_run(to_engine_settings(spec), now, before, sizes, **start)

    assert read_run(values) is not None
    assert read_run({**values, "enforce_eager": True}) is None


def test_admins_edit_every_setting_once_in_its_section() -> None:
    fieldsets = {title: options["fields"] for title, options in ModelProfileAdmin.fieldsets}

    shown = [name for names in fieldsets.values() for name in names if name in PROFILE_SETTINGS]
    assert sorted(shown) == sorted(PROFILE_SETTINGS)
    for name, each in PROFILE_SETTINGS.items():
        assert each.section is not None, name
        assert name in fieldsets[each.section.value or None]
