"""Read a compose file into plain values, without trusting it: bounded in size, depth and what anchors repeat.

Compose files use anchors and merge keys, of which a few can stand for more data than fits in memory. PyYAML's
safe loader composes the nodes, which are shared; the values are made here, each visit of a node counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from gateway.wording import fill_in
from modelops.domain.errors import FieldError

MOST_BYTES = 256 * 1024
MOST_NODES = 20_000
DEEPEST = 20
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}


def read_compose(text: str, *, field: str = "compose") -> dict[str, Any]:
    """The document as plain values. Raises FieldError of `field`, with the line, for what cannot be read."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise FieldError(field, fill_in("is larger than {size} KiB", size=MOST_BYTES // 1024))
    try:
        _refuse_deep(text, field)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise FieldError(
            field, fill_in("line {line}: is not YAML: {problem}", line=line, problem=exc.problem)
        ) from exc
    except yaml.YAMLError as exc:
        raise FieldError(field, fill_in("is not YAML: {problem}", problem=exc)) from exc
    if not isinstance(root, yaml.MappingNode):
        raise FieldError(field, fill_in("holds no mapping at its top"))
    values: dict[str, Any] = _NodeReader(field).read(root, 0)
    return values


def _refuse_deep(text: str, field: str) -> None:
    """Looks at the parser's events: composing is recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FieldError(field, fill_in("line {line}: nests deeper than {most}", line=line, most=DEEPEST))


@dataclass
class _NodeReader:
    field: str
    visits: int = 0

    def read(self, node: yaml.Node, depth: int) -> Any:
        self.visits += 1
        if self.visits > MOST_NODES or depth > DEEPEST:
            raise FieldError(self.field, fill_in("its anchors repeat more than can be read"))
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, depth + 1) for item in node.value]
        if node.tag not in _PLAIN_TAGS:
            return node.value  # dates, and tags of compose's own: the text as it is written
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as exc:
            raise FieldError(
                self.field, fill_in("line {line}: {problem}", line=node.start_mark.line + 1, problem=exc)
            ) from exc

    def _read_mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        """What a mapping says itself counts before what it merges in."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                parts = self.read(value_node, depth + 1)
                for part in parts if isinstance(parts, list) else [parts]:
                    merged = {**part, **merged} if isinstance(part, dict) else merged
            elif isinstance(key_node, yaml.ScalarNode):
                own[key_node.value] = self.read(value_node, depth + 1)
        return {**merged, **own}
