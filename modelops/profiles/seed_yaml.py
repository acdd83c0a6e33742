"""Read the YAML of profiles with the line of every entry, and write it.

The text is composed by PyYAML's safe loader and turned into plain values here, so that each value and
each problem has its line. Anchors are refused: a few of them can stand for more data than fits in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.wording import fill_in

MOST_BYTES = 1 << 20
_DEEPEST = 20
_TOP_KEYS = ("defaults", "profiles", "hardware_profiles")
_SCALAR_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}


@dataclass(frozen=True)
class YamlProblem:
    """`path` is the dotted name of what is wrong, empty for the text as a whole."""

    line: int
    path: str
    reason: str


@dataclass(frozen=True)
class YamlEntry:
    """One profile as written. `lines` has the line of every value by its dotted name."""

    line: int
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    @property
    def slug(self) -> str:
        slug = self.values.get("slug")
        return slug if isinstance(slug, str) else ""

    def find_line(self, name: str) -> int:
        """The line of a value, or of the nearest one that holds it."""
        while name:
            if name in self.lines:
                return self.lines[name]
            name = name[: max(name.rfind("."), name.rfind("["), 0)]
        return self.line


@dataclass(frozen=True)
class ProfileDocument:
    profiles: tuple[YamlEntry, ...] = ()
    hardware_profiles: tuple[YamlEntry, ...] = ()
    problems: tuple[YamlProblem, ...] = ()


def parse_document(text: str) -> ProfileDocument:
    """Parse the YAML. Never raises: what cannot be read is in `problems`, which ends at a syntax error."""
    try:
        if problem := _find_unsafe(text):
            return ProfileDocument(problems=(problem,))
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        return ProfileDocument(
            problems=(YamlProblem(line, "", fill_in("is not YAML: {problem}", problem=exc.problem)),)
        )
    except yaml.YAMLError as exc:
        line = text.count("\n", 0, getattr(exc, "position", 0)) + 1
        reason = getattr(exc, "reason", fill_in("cannot be read"))
        return ProfileDocument(
            problems=(YamlProblem(line, "", fill_in("is not YAML: {reason}", reason=reason)),)
        )
    reader = _Reader()
    return reader.read_document(root)


def _find_unsafe(text: str) -> YamlProblem | None:
    """Look at the parser's events, which take no memory, before any tree is built."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        return YamlProblem(1, "", fill_in("is larger than {bytes} bytes", bytes=MOST_BYTES))
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return YamlProblem(line, "", fill_in("anchors and aliases are not allowed: use `defaults`"))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            return YamlProblem(line, "", fill_in("nests deeper than {levels} levels", levels=_DEEPEST))
    return None


@dataclass
class _Reader:
    problems: list[YamlProblem] = field(default_factory=list)

    def read_document(self, root: yaml.Node | None) -> ProfileDocument:
        sections: dict[str, yaml.Node] = {}
        if not isinstance(root, yaml.MappingNode):
            self._report(root, "", fill_in("must be a mapping with {keys}", keys=", ".join(_TOP_KEYS)))
        else:
            for key, node in self._walk(root, ""):
                if key not in _TOP_KEYS:
                    self._report(node, key, fill_in("is not one of {keys}", keys=", ".join(_TOP_KEYS)))
                sections[key] = node
        defaults = self._read_entry(sections.get("defaults"), "defaults")
        return ProfileDocument(
            profiles=self._read_list(sections.get("profiles"), "profiles", defaults),
            hardware_profiles=self._read_list(sections.get("hardware_profiles"), "hardware_profiles", None),
            problems=tuple(sorted(self.problems, key=lambda problem: problem.line)),
        )

    def _read_list(
        self, node: yaml.Node | None, path: str, defaults: YamlEntry | None
    ) -> tuple[YamlEntry, ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._report(node, path, fill_in("must be a list"))
            return ()
        entries = [self._read_entry(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return tuple(_add_defaults(entry, defaults) for entry in entries if entry is not None)

    def _read_entry(self, node: yaml.Node | None, path: str) -> YamlEntry | None:
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            self._report(node, path, fill_in("must be a mapping of fields"))
            return None
        lines: dict[str, int] = {}
        values = {key: self._read_value(value, key, lines) for key, value in self._walk(node, "", lines)}
        return YamlEntry(_line(node), values, lines)

    def _walk(
        self, node: yaml.MappingNode, path: str, lines: dict[str, int] | None = None
    ) -> Iterable[tuple[str, yaml.Node]]:
        """The mapping's entries; a key that is no text, or was there before, is reported and left out."""
        seen = set()
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                self._report(key_node, path, fill_in("must have text as keys: put this one in quotes"))
            elif key in seen:
                self._report(key_node, _join(path, key), fill_in("is given twice"))
            else:
                seen.add(key)
                if lines is not None:
                    lines[_join(path, key)] = _line(key_node)
                yield key, value_node

    def _read_value(self, node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {
                key: self._read_value(value, _join(path, key), lines)
                for key, value in self._walk(node, path, lines)
            }
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                lines[f"{path}[{index}]"] = _line(item)
                items.append(self._read_value(item, f"{path}[{index}]", lines))
            return items
        return self._read_scalar(node, path)

    def _read_scalar(self, node: yaml.Node, path: str) -> Any:
        """Dates and the like are taken as the text they are written as."""
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        if node.tag not in _SCALAR_TAGS:
            self._report(node, path, fill_in("has a tag that is not allowed: {tag}", tag=node.tag))
            return None
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as exc:
            self._report(node, path, fill_in("cannot be read: {problem}", problem=exc))
            return None

    def _report(self, node: yaml.Node | None, path: str, reason: str) -> None:
        self.problems.append(YamlProblem(_line(node), path, reason))


def _add_defaults(entry: YamlEntry, defaults: YamlEntry | None) -> YamlEntry:
    """What an entry gives itself replaces the default as a whole."""
    if defaults is None:
        return entry
    taken = {name for name in defaults.values if name not in entry.values}
    lines = {
        path: line
        for path, line in defaults.lines.items()
        if path.partition(".")[0].partition("[")[0] in taken
    }
    values = {name: defaults.values[name] for name in taken}
    return YamlEntry(entry.line, values | dict(entry.values), lines | dict(entry.lines))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else int(node.start_mark.line) + 1


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def write_document(sections: Mapping[str, Any]) -> str:
    """Write plain values as YAML, in the order given."""
    text: str = yaml.dump(dict(sections), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    return text
