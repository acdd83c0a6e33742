"""Every cause has something that helps, and what helps exists."""

from __future__ import annotations

import pytest

from gateway.conf import BASE_DIR
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.engine_log.remedies import (
    PLAN_REMEDIES,
    REMEDIES,
    RETRY,
    ChangeSetting,
    EditProfile,
    RetryWithContext,
    find_remedies,
)
from modelops.models import ModelProfile

EVERYTHING = [remedy for found in (*REMEDIES.values(), *PLAN_REMEDIES.values()) for remedy in found]


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_remedy(cause: Cause) -> None:
    assert find_remedies(describe_cause(cause))


def test_context_that_would_have_worked_comes_first_and_the_rest_after_it() -> None:
    cause = describe_cause(Cause.CONTEXT_TOO_LONG, retry_max_model_len=4096)

    found = find_remedies(cause)

    assert found[0] == RetryWithContext(4096)
    assert found[1:] == REMEDIES[Cause.CONTEXT_TOO_LONG]


@pytest.mark.parametrize("code", ["cancelled", ""])
def test_what_was_wanted_needs_no_remedy(code: str) -> None:
    assert find_remedies(RootCause(code, "The switch was cancelled.")) == ()


def test_what_nobody_has_named_yet_is_tried_again() -> None:
    assert find_remedies(RootCause("from_a_later_version", "?")) == (RETRY,)


def test_profiles_have_the_settings_that_are_to_be_edited() -> None:
    named = {name for remedy in EVERYTHING if isinstance(remedy, EditProfile) for name in remedy.fields}

    assert named <= {field.name for field in ModelProfile._meta.get_fields()}


def test_settings_that_are_to_be_changed_are_documented() -> None:
    documented = (BASE_DIR / "docs" / "settings.md").read_text(encoding="utf-8")
    named = {name for remedy in EVERYTHING if isinstance(remedy, ChangeSetting) for name in remedy.names}

    assert named
    assert all(f"`{name}`" in documented for name in named)
