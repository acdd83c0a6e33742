"""The parts of the documentation of profiles that repeat what the code says, written by the code.

Each stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; `manage.py write_profile_docs`
refreshes them and the test run compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from gateway.conf import BASE_DIR
from modelops.domain.fit.recommendation import Assessment, advise, assess_candidate, to_candidate
from modelops.domain.fit.report import LimitingTerm
from modelops.domain.profiles.engine_args import to_gpus
from modelops.domain.profiles.environment import VARIABLES
from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, REFUSED_FLAGS
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.kinds import AUTO
from modelops.domain.profiles.model_families import MODEL_FAMILIES
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.spec import ProfileSpec, Spec
from modelops.profiles.reloading import PROFILES_PATH
from modelops.profiles.seed_reading import SeedFile, read_seed_file

KEYED = "object of the keys below"
VERDICT_HARDWARE = ("single-3090", "dual-3090", "quad-a100-80")


def profile_table() -> str:
    """Every field of a profile."""
    return _write_fields(ProfileSpec, has_flags=True)


def hardware_table() -> str:
    """Every field of a hardware profile."""
    return _write_fields(HardwareSpec, has_flags=False)


def _write_fields(spec_type: type[Spec], *, has_flags: bool) -> str:
    heads = ["field", "value", "default", *(["vLLM flag"] if has_flags else []), "meaning"]
    rows = []
    for each in list_settings(spec_type):
        flag = f"`--{each.flag.name}`" if each.flag else ""
        default = "required" if each.is_required else _write_default(each)
        value = KEYED if each.kind.keys else each.kind.label
        cells = [f"`{each.name}`", value, default, *([flag] if has_flags else [])]
        rows.append([*cells, each.help])
    return _write_table(heads, rows)


def _write_default(setting: Setting) -> str:
    value = setting.default
    if value is None:
        return f"`{AUTO}`" if setting.kind.has_auto else "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", (), {}) else "–"


def flag_table() -> str:
    """The flags that `extra_flags` may hold."""
    rows = [
        [f"`{extra.name}`", KEYED if extra.kind.keys else extra.kind.label, extra.help]
        for extra in EXTRA_FLAGS
    ]
    return _write_table(["flag", "value", "meaning"], rows)


def json_table() -> str:
    """The keys of settings and further flags that are JSON, and those that are refused."""
    kinds = [(each.name, each.kind) for each in list_settings(ProfileSpec)]
    kinds += [(extra.name, extra.kind) for extra in EXTRA_FLAGS]
    rows = []
    for name, kind in kinds:
        rows += [[f"`{name}`", f"`{key}`", of.label] for key, of in kind.keys]
        rows += [[f"`{name}`", f"`{key}`", f"refused: it {reason}"] for key, reason in kind.refused_keys]
    return _write_table(["setting", "key", "value"], rows)


def refused_flag_table() -> str:
    """Flags that people may look for, and why they are not on the list."""
    rows = [[f"`{name}`", f"it {reason}"] for name, reason in sorted(REFUSED_FLAGS.items())]
    return _write_table(["flag", "cannot be set because"], rows)


def variable_table() -> str:
    """The variables that `environment` may hold."""
    rows = [[f"`{variable.name}`", variable.kind.label, variable.help] for variable in VARIABLES]
    return _write_table(["variable", "value", "meaning"], rows)


def family_table() -> str:
    """The parsers that `auto` takes."""
    rows = [
        [
            each.name,
            f"`{each.tool_call_parser}`" if each.tool_call_parser else "–",
            f"`{each.reasoning_parser}`" if each.reasoning_parser else "–",
            each.source,
        ]
        for each in MODEL_FAMILIES
    ]
    return _write_table(["family", "tool_call_parser", "reasoning_parser", "source"], rows)


def verdict_table() -> str:
    """What the fit check says of every profile of the seed file that needs a GPU."""
    seed_file = read_seed_file(PROFILES_PATH.read_text(encoding="utf-8"))
    heads = ["profile", "cards", "verdict", "TP", "context", "longest that fits", "full requests at once"]
    return _write_table([*heads, "why, and what would help"], list(_list_verdicts(seed_file)))


def _list_verdicts(seed_file: SeedFile) -> Iterator[list[str]]:
    hardware = {entry.slug: entry.spec for entry in seed_file.hardware_profiles}
    for entry in seed_file.profiles:
        candidate = to_candidate(entry.spec)
        if not candidate.needs_gpu:
            continue
        for slug in VERDICT_HARDWARE:
            gpus = to_gpus(hardware[slug])
            assessment = advise(assess_candidate(candidate, gpus), gpus)
            why = _explain(assessment) or "–"
            if assessment.report.limit is LimitingTerm.GPU_COUNT:
                fewer = replace(candidate, is_tensor_parallel_auto=True)
                reasons = "; ".join(assess_candidate(fewer, gpus).report.reasons)
                why += f". On what there is: {reasons}" if reasons else ""
            yield [f"`{entry.slug}`", hardware[slug].display_name, *_describe(assessment), why]


def _describe(assessment: Assessment) -> list[str]:
    report = assessment.report
    return [
        str(report.verdict).replace("_", " "),
        str(assessment.settings.tensor_parallel_size),
        _write_number(report.max_model_len),
        _write_number(report.max_model_len_that_fits),
        "–" if report.max_concurrency is None else f"{report.max_concurrency:.1f}",
    ]


def _explain(assessment: Assessment) -> str:
    report = assessment.report
    why = "; ".join(report.reasons)
    offers = [each.text for each in report.suggestions if each.kind != "more_gpus"][:3]
    return f"{why}. Would run with {' · or with '.join(offers)}" if offers else why


def _write_number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _write_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


_PROFILES_PAGE = BASE_DIR / "docs" / "profiles.md"
GENERATED = {
    "profile-fields": (_PROFILES_PAGE, profile_table),
    "hardware-fields": (_PROFILES_PAGE, hardware_table),
    "extra-flags": (_PROFILES_PAGE, flag_table),
    "refused-flags": (_PROFILES_PAGE, refused_flag_table),
    "json-keys": (_PROFILES_PAGE, json_table),
    "environment": (_PROFILES_PAGE, variable_table),
    "model-families": (_PROFILES_PAGE, family_table),
    "verdicts": (BASE_DIR / "docs" / "fit-verdicts.md", verdict_table),
}


def refresh(name: str) -> tuple[Path, str]:
    """The page that holds the generated part `name`, and its text with that part up to date."""
    path, write = GENERATED[name]
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, count = block.subn(lambda _match: f"{begin}\n{write()}\n{end}", path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{path} has no single part between {begin} and {end}")
    return path, text
