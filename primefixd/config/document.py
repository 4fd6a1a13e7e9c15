"""YAML text into plain values that know their line. It knows nothing of what the keys mean.

PyYAML's own loading keeps the last of two equal keys, reads `0417` as 271, `17:00` as 1020 and `yes` as true
(architecture.md 17). So this goes through its composer and types plain scalars by the core rules of YAML 1.2, decimal
numbers only; whatever else is written stays the text that it is. Tags, anchors and aliases are refused.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import yaml
from attrs import field, frozen

from primefixd.strict import INTEGER_MAX_CHARS, Path, Problem

T = TypeVar("T")

_CONSTANTS: dict[str, object] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_CONSTANTS |= {form: form.lower() == "true" for form in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?")
_PLAIN, _QUOTED = "plain", "quoted"


class Unreadable(Exception):
    """The text is no YAML that this module takes."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@frozen
class Document:
    """`tree` in plain values, the line (from 1) of each path in it, and what is wrong with it as YAML."""

    tree: object
    lines: dict[Path, int] = field(factory=dict)
    problems: list[Problem] = field(factory=list)

    def line(self, path: Path) -> int:
        """Where `path` stands, or the nearest thing around it that does."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def found(self, pattern: str, kind: type[T]) -> Iterator[tuple[Path, T]]:
        """Everything of exactly that kind at a pattern such as `portfolios[].sessions[].name`."""
        for path, value in _matching(self.tree, pattern.replace("[]", ".[]").split("."), ()):
            if kind is object or type(value) is kind:
                yield path, value


def _matching(value: Any, steps: list[str], path: Path) -> Iterator[tuple[Path, Any]]:
    if not steps:
        yield path, value
    elif steps[0] == "[]" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _matching(item, steps[1:], (*path, index))
    elif isinstance(value, dict) and steps[0] in value:
        yield from _matching(value[steps[0]], steps[1:], (*path, steps[0]))


def read(text: str) -> Document:
    """The one document that `text` holds; raises Unreadable for anything that is no such YAML."""
    try:
        root = _Composer(text).get_single_node()
        document = Document(tree={})
        tree = _value(root, (), document) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(line, "holds a character that YAML does not allow") from None
    except RecursionError:
        raise Unreadable(1, "is nested too deep") from None
    except (yaml.YAMLError, ValueError, OverflowError):  # the scanner's own slips, such as an escape beyond Unicode
        raise Unreadable(1, "is no YAML: it holds an escape or a directive that means nothing") from None
    return Document(tree, document.lines, document.problems)


def _unreadable(error: yaml.MarkedYAMLError) -> Unreadable:
    """In the parser's words, with what it was in the middle of; never the text itself, which may be a secret."""
    begun = f", {error.context} begun in line {error.context_mark.line + 1}" if error.context_mark else ""
    mark = error.problem_mark or error.context_mark
    return Unreadable(mark.line + 1 if mark else 1, f"is no YAML here: {error.problem or 'unfinished'}{begun}")


class _Composer(yaml.SafeLoader):
    """Nodes whose tag only says whether a scalar was plain, so that this module decides what it means."""

    def resolve(self, kind: type[yaml.Node], _value: object, implicit: Any) -> str:
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else _QUOTED

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not taken", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not taken", event.start_mark)
        return super().compose_node(parent, index)


def _value(node: yaml.Node, path: Path, document: Document) -> object:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), document) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    return _scalar(node.value) if node.tag == _PLAIN else node.value


def _mapping(node: yaml.MappingNode, path: Path, document: Document) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise Unreadable(line, "has a key that is a list or a mapping; keys are words")
        here = (*path, key.value)
        if key.value in made:
            what = f"is given again; it stands in line {document.lines[here]} already: keep one of the two"
            document.problems.append(Problem(here, what))
        document.lines[here] = line
        made[key.value] = _value(value, here, document)
    return made


def _scalar(text: str) -> object:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) and len(text) <= INTEGER_MAX_CHARS:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not _INTEGER.fullmatch(text) else text
