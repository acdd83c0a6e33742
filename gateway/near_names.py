"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from gateway.wording import FilledText, fill_in

MOST_SUGGESTED = 3
MOST_COMPARED = 20_000
"""Of known names: comparing that many takes a fraction of a second."""
SHORTEST_PART = 3
"""Characters of a name by which longer names are found that contain it."""
LONGEST_COMPARED = 200
"""Nobody meant a name with a longer one, and comparing takes as long as both are."""


def find_near_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three of the known names, the nearest first; upper and lower case are the same here.

    Near is what contains the name or is contained in it, then what difflib takes for similar.
    """
    wanted = name.strip().casefold()
    if not wanted or len(wanted) > LONGEST_COMPARED:
        return []
    by_folded = {each.casefold(): each for each in islice(known, MOST_COMPARED)}
    similar = get_close_matches(wanted, by_folded, n=MOST_SUGGESTED)
    related = sorted((each for each in by_folded if _is_part(wanted, each)), key=len)
    nearest = dict.fromkeys([*similar[:1], *related, *similar])
    return [by_folded[each] for each in islice(nearest, MOST_SUGGESTED)]


def _is_part(wanted: str, known: str) -> bool:
    shorter = min(len(wanted), len(known))
    return shorter >= SHORTEST_PART and (wanted in known or known in wanted)


def suggest_names(problem: str, name: str, known: Iterable[str]) -> str:
    """The problem, followed by what was perhaps meant; the problem alone where nothing known is near."""
    near = find_near_names(name, known)
    if not near:
        return problem
    return fill_in("{problem} Did you mean {names}?", problem=problem, names=_list_choices(near))


def _list_choices(names: list[str]) -> str | FilledText:
    """`a`, `a or b`, `a, b or c`."""
    if len(names) == 1:
        return names[0]
    return fill_in("{names} or {last}", names=", ".join(names[:-1]), last=names[-1])
