from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.models import HardwareProfile, ModelProfile
from modelops.tests.profiles.profile_examples import make_profile, make_values

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "spec_type"), [(ModelProfile, ProfileSpec), (HardwareProfile, HardwareSpec)]
)
def test_rows_have_the_fields_and_defaults_of_the_schema(model: type[models.Model], spec_type: Any) -> None:
    row = model()
    for each in list_settings(spec_type):
        column = model._meta.get_field(each.name)
        default = () if each.is_required else each.default

        assert isinstance(column, models.Field)
        if not each.is_required:
            assert getattr(row, each.name) == (list(default) if isinstance(default, tuple) else default), (
                each.name
            )
        if isinstance(column, models.CharField) and not column.choices:
            assert column.max_length == each.kind.max_length, each.name


def test_a_valid_row_is_stored_in_its_canonical_form() -> None:
    row = ModelProfile(**make_values(display_name="  Example ", extra_flags={"seed": 1, "block-size": 16}))

    row.full_clean()
    row.save()

    stored = ModelProfile.objects.get(slug="example")
    assert stored.display_name == "Example"
    assert stored.to_spec() == make_profile(extra_flags={"seed": 1, "block-size": 16})
    assert stored.id.version == 7


def test_errors_name_the_field_and_the_reason() -> None:
    row = ModelProfile(
        **make_values(
            environment={"LD_PRELOAD": "x"}, aliases=["a b"], max_model_len=9000, repository="/models/x"
        )
    )

    with pytest.raises(ValidationError) as caught:
        row.full_clean()

    errors = caught.value.message_dict
    assert set(errors) == {"environment", "aliases", "repository"}
    assert errors["environment"] == ["LD_PRELOAD: cannot be set: it would load code into the engine"]
    assert errors["aliases"][0].startswith("[0]: must be a model name")


def test_conflicts_with_the_config_name_their_field() -> None:
    row = ModelProfile(**make_values(max_model_len=9000))

    with pytest.raises(ValidationError) as caught:
        row.full_clean()

    assert caught.value.message_dict == {"max_model_len": ["is 9000, but the model ends at 8192 positions"]}


def test_a_second_default_is_refused_by_validation_and_by_the_database() -> None:
    ModelProfile.objects.create(**make_values(is_default=True))
    second = ModelProfile(**make_values(slug="second", is_default=True))

    with pytest.raises(ValidationError) as caught:
        second.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()

    assert caught.value.message_dict == {"is_default": ["'example' is the default already"]}
    assert ModelProfile.objects.find_default() == ModelProfile.objects.get(slug="example")


def test_nobodys_slug_is_somebody_elses_name() -> None:
    ModelProfile.objects.create(**make_values(aliases=["other", "shared"]))

    by_slug = ModelProfile(**make_values(slug="other"))
    by_alias = ModelProfile(**make_values(slug="third", aliases=["example"], served_model_name="example"))
    sharing = ModelProfile(**make_values(slug="fourth", aliases=["shared"]))

    with pytest.raises(ValidationError, match="a name that the profile 'example' serves"):
        by_slug.full_clean()
    with pytest.raises(ValidationError) as caught:
        by_alias.full_clean()
    sharing.full_clean()
    assert set(caught.value.message_dict) == {"aliases", "served_model_name"}


def test_slug_is_no_adapter_of_somebody_else_either() -> None:
    adapters = {"enable_lora": True, "lora_adapters": {"sql": "maker/sql"}}
    ModelProfile.objects.create(**make_values(**adapters))

    by_slug = ModelProfile(**make_values(slug="sql"))
    by_adapter = ModelProfile(
        **make_values(slug="other", enable_lora=True, lora_adapters={"example": "maker/example"})
    )

    with pytest.raises(ValidationError, match="a name that the profile 'example' serves"):
        by_slug.full_clean()
    with pytest.raises(ValidationError, match="another profile's slug") as caught:
        by_adapter.full_clean()
    assert set(caught.value.message_dict) == {"lora_adapters"}


@pytest.mark.parametrize(
    "changes",
    [
        {"is_default": True, "is_enabled": False},
        {"runtime": "magic"},
        {"engine": "magic"},
        {"image": ""},
        {"repository": ""},
        {"tensor_parallel_size": 0},
        {"pipeline_parallel_size": 0},
        {"gpu_memory_utilization": 1.5},
    ],
)
def test_the_database_keeps_what_must_hold(changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelProfile.objects.create(**make_values(**changes))

    assert not ModelProfile.objects.exists()


def test_a_row_that_went_bad_says_so_instead_of_becoming_a_spec() -> None:
    row = ModelProfile.objects.create(**make_values(dtype="int3"))

    with pytest.raises(ValidationError, match="dtype"):
        row.to_spec()


def test_a_hardware_profile_is_validated_too() -> None:
    row = HardwareProfile(slug="x", display_name="X", gpu_name="Voodoo 2", gpu_count=0)

    with pytest.raises(ValidationError) as caught:
        row.full_clean()

    assert "gpu_count" in caught.value.message_dict
