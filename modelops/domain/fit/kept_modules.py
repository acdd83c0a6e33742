"""Which modules of a quantized checkpoint stay in 16 bit, or get another width, as its config lists them.

Sources (vllm/model_executor/layers/quantization, 0.33): `should_ignore_layer` of compressed-tensors (names,
and patterns after "re:"), `is_layer_skipped` (quant_utils.py:619: names, and parts of them),
`is_layer_excluded` of ModelOpt (wildcards), `get_dynamic_override` (gptq_utils.py:85: "-:" and "+:"),
`extra_config` of AutoRound (inc/config_parser.py).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

_LISTS = (
    "ignore",
    "modules_to_not_convert",
    "unquantized",
    "ignored_layers",
    "exclude_modules",
    "llm_int8_skip_modules",
)
_PREFIXES = (
    "",
    "model.",
    "model.language_model.",
    "language_model.model.",
    "language_model.",
    "model.language_model.model.",
    "model.text_model.",
    "thinker.model.",
    "transformer.",
)
"""What may stand before a text layer's name. What stands before a tower's layers is something else."""

_LAYERS = "layers."
_REGEX_CHARACTERS = frozenset(r"*+?^$()[]{}|\\")
_FULL_BITS = 16


@dataclass(frozen=True)
class ModuleNames:
    """A set of modules of the text model, given by names, parts of names, and patterns."""

    names: frozenset[str] = frozenset()
    """From "layers." on."""
    parts: frozenset[str] = frozenset()
    """Names within any layer, such as "self_attn"."""
    pattern: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.names or self.parts or self.pattern)

    def has(self, name: str) -> bool:
        """Whether a module such as "layers.3.self_attn.q_proj" is one of them, or inside one."""
        steps = name.split(".")
        if any(".".join(steps[:count]) in self.names for count in range(2, len(steps) + 1)):
            return True
        if any(f".{part}." in f".{name}." for part in self.parts):
            return True
        return self.pattern is not None and any(self.pattern.match(prefix + name) for prefix in _PREFIXES)


@dataclass(frozen=True)
class WidthRule:
    """Modules with a width of their own; `settings` are those of a quantization's weights."""

    modules: ModuleNames
    settings: Mapping[str, Any]
    is_rest: bool = False
    """It counts for all linear modules that no rule names."""


def read_kept(raw: Mapping[str, Any]) -> ModuleNames:
    """Return the modules of the text model that a quantization_config leaves in 16 bit."""
    listed: list[str] = []
    for key in _LISTS:
        value = raw.get(key)
        listed += [str(item) for item in value] if isinstance(value, list) else []
    listed += [f"re:{key[2:]}" for key in _get_mapping(raw, "dynamic") if key.startswith("-:")]
    listed += [_to_entry(key) for key, value in _list_extra(raw) if _get_bits(value) >= _FULL_BITS]
    return read_names(listed)


def read_width_rules(raw: Mapping[str, Any]) -> tuple[WidthRule, ...]:
    """Return the modules that get a width of their own: groups by target, and overrides by name."""
    rules = []
    for group in _get_mapping(raw, "config_groups").values():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        targets = [str(item) for item in group.get("targets") or []] if isinstance(group, Mapping) else []
        if isinstance(weights, Mapping):
            named = [target for target in targets if target != "Linear"]
            rules.append(WidthRule(read_names(named), weights, is_rest=not targets or "Linear" in targets))
    for key, value in _get_mapping(raw, "dynamic").items():
        if not key.startswith("-:") and isinstance(value, Mapping):
            rules.append(WidthRule(read_names([f"re:{key.removeprefix('+:')}"]), value))
    for key, value in _list_extra(raw):
        if _get_bits(value) < _FULL_BITS:
            rules.append(WidthRule(read_names([_to_entry(key)]), value))
    return tuple(rules)


def read_names(entries: Iterable[str]) -> ModuleNames:
    """Sort entries of a list into names, parts of names, and patterns ("re:…", or with wildcards)."""
    names, parts, patterns = set(), set(), []
    for entry in entries:
        if entry.startswith("re:"):
            patterns.append(entry.removeprefix("re:"))
        elif "*" in entry or "?" in entry:
            patterns.append(translate(entry))
        elif _LAYERS in entry:
            prefix, _, rest = entry.partition(_LAYERS)
            if prefix in _PREFIXES:
                names.add(_LAYERS + rest.strip("."))
        elif entry.strip("."):
            parts.add(entry.strip("."))
    return ModuleNames(frozenset(names), frozenset(parts), _join_patterns(patterns))


def find_widths(rules: Sequence[WidthRule], modules: Iterable[str]) -> Mapping[str, Any] | None:
    """Return the weights' settings of the rule that names one of these modules, else of the rest's."""
    for rule in rules:
        if any(rule.modules.has(name) for name in modules):
            return rule.settings
    return next((rule.settings for rule in rules if rule.is_rest), None)


def _join_patterns(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for all that can be compiled; none for none."""
    good = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error:
            continue
        good.append(f"(?:{pattern})")
    try:
        return re.compile("|".join(good)) if good else None
    except re.error:
        return re.compile(good[0])


def _list_extra(raw: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    extra = _get_mapping(raw, "extra_config")
    return [(key, value) for key, value in extra.items() if isinstance(value, Mapping) and "bits" in value]


def _to_entry(key: str) -> str:
    return f"re:.*{key}" if _REGEX_CHARACTERS & set(key) else key


def _get_bits(value: Mapping[str, Any]) -> int:
    bits = value.get("bits")
    return int(bits) if isinstance(bits, int | float) else 0


def _get_mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
