from __future__ import annotations

import string
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.models import ModelProfile
from modelops.profiles.reloading import PROFILES_PATH
from modelops.profiles.seed_reading import read_seed_file
from modelops.profiles.seeding import export_profiles, load_profiles
from modelops.tests.profiles.profile_examples import CONFIG, make_profile, make_values

WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=80)
TEXTS = st.lists(LINE, max_size=4).map("\n".join)
MOST = 2**53
PLAIN = st.none() | st.booleans() | st.integers(-MOST, MOST) | st.floats(-MOST, MOST) | TEXTS
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
PROFILES = st.fixed_dictionaries(
    {"config": NESTED.map(lambda notes: CONFIG | {"notes": notes})},
    optional={
        "description_en": TEXTS,
        "description_ko": TEXTS,
        "facts_source": TEXTS,
        "display_name": LINE.map(lambda line: f"x{line}"),
        "tags": st.lists(WORDS, max_size=4, unique=True),
        "revision": WORDS,
        "max_num_seqs": st.none() | st.integers(1, 100),
        "max_model_len": st.none() | st.just("auto") | st.integers(16, 8192),
        "gpu_memory_utilization": st.none() | st.floats(0.05, 1),
        "chat_template": TEXTS.map(lambda text: "{{ messages }}" + text),
        "extra_flags": st.fixed_dictionaries(
            {}, optional={"seed": st.integers(0, 99), "async-scheduling": st.booleans()}
        ),
    },
)


@pytest.mark.django_db
def test_the_seed_file_survives_an_export_and_a_load() -> None:
    load_profiles(PROFILES_PATH.read_text(encoding="utf-8"))

    result = load_profiles(export_profiles())

    assert len(result.profiles.unchanged) == ModelProfile.objects.count() == 12
    assert len(result.hardware_profiles.unchanged) == 6
    assert (result.profiles.missing, result.invalid) == ((), ())


@pytest.mark.django_db
def test_an_export_of_some_profiles_has_only_those_and_leaves_defaults_out() -> None:
    ModelProfile.objects.create(**make_values(slug="a", config={}))
    ModelProfile.objects.create(**make_values(slug="b"))

    exported = yaml.safe_load(export_profiles(["a"]))

    assert exported == {
        "profiles": [
            {
                "slug": "a",
                "display_name": "Example",
                "repository": "somebody/example-8b",
                "image": "vllm/vllm-openai:v0.33.0",
            }
        ]
    }


@pytest.mark.django_db
@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=PROFILES)
def test_whatever_the_schema_accepts_comes_back_from_yaml_and_from_the_database(
    changes: dict[str, Any],
) -> None:
    spec = make_profile(**changes)
    ModelProfile.objects.all().delete()
    row = ModelProfile()
    row.set_values(spec)
    row.save()

    exported = export_profiles()

    seed_file = read_seed_file(exported)
    assert seed_file.invalid == ()
    assert seed_file.profiles[0].spec == spec == ModelProfile.objects.get().to_spec()
    assert load_profiles(exported).profiles.unchanged == ("example",)
