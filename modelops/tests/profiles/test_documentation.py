"""The pages about profiles say what the code does."""

from __future__ import annotations

import pytest

from modelops.profiles.documentation import GENERATED, refresh


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_up_to_date(name: str) -> None:
    path, fresh = refresh(name)

    assert path.read_text(encoding="utf-8") == fresh, "run `python manage.py write_profile_docs`"
