from __future__ import annotations

import pytest

from modelops.profiles.seed_yaml import parse_document, write_document


def test_every_value_has_its_line() -> None:
    document = parse_document(
        "profiles:\n"
        "  - slug: a\n"
        "    aliases:\n"
        "      - x\n"
        "      - y\n"
        "    environment:\n"
        '      NCCL_P2P_DISABLE: "1"\n'
    )

    (entry,) = document.profiles
    assert entry.values == {"slug": "a", "aliases": ["x", "y"], "environment": {"NCCL_P2P_DISABLE": "1"}}
    assert entry.line == 2
    assert entry.find_line("aliases[1]") == 5
    assert entry.find_line("environment.NCCL_P2P_DISABLE") == 7
    assert entry.find_line("environment.UNKNOWN") == 6
    assert entry.find_line("display_name") == 2


def test_defaults_are_added_with_their_own_lines() -> None:
    document = parse_document(
        "defaults:\n  dtype: float16\n  tags: [a]\nprofiles:\n  - slug: a\n    tags: [b]\n"
    )

    (entry,) = document.profiles
    assert entry.values == {"slug": "a", "dtype": "float16", "tags": ["b"]}
    assert entry.find_line("dtype") == 2
    assert entry.find_line("tags[0]") == 6


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("profiles:\n  - slug: [", 2, "is not YAML"),
        ("profiles:\n\t- slug: a", 2, "is not YAML"),
        ("profiles:\n  - slug: a\n    slug: b", 3, "twice"),
        ("profiles:\n  - slug: a\n    1: b", 3, "text as keys"),
        ("profiles:\n  - slug: !!python/object:os.system x", 2, "tag"),
        ("profiles:\n  - slug: !!binary aGk=", 2, "tag"),
        ("profiles:\n  - &a {slug: x}\n  - *a", 2, "anchors"),
        ("profiles:\n  - just text", 2, "mapping"),
        ("profiles:\n  slug: a", 2, "list"),
        ("models: []", 1, "is not one of"),
        ("- slug: a", 1, "mapping"),
        ("", 1, "mapping"),
        ("a: b\n---\nc: d", 2, "is not YAML"),
        ("profiles:\n  - slug: a\n    parameters: 1" + "0" * 5000, 3, "cannot be read"),
        ("profiles: \x07", 1, "is not YAML"),
        ("profiles: " + "[" * 5000, 1, "nests deeper"),
        ("#" + "x" * (1 << 20), 1, "larger than"),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_line(text: str, line: int, fragment: str) -> None:
    problems = parse_document(text).problems

    assert [(problem.line, fragment in problem.reason) for problem in problems] == [(line, True)]


def test_dates_stay_text() -> None:
    document = parse_document("profiles:\n  - revision: 2024-01-01\n")

    assert document.profiles[0].values == {"revision": "2024-01-01"}


def test_texts_of_several_lines_are_written_as_blocks() -> None:
    assert write_document({"a": "one\ntwo", "b": "yes"}) == "a: |-\n  one\n  two\nb: 'yes'\n"
