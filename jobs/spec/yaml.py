"""YAML with `${NAME}` and `${NAME:-default}`, read so that nothing is lost or guessed.

Differences from plain `yaml.safe_load`: only true and false are booleans (a label `no` stays text),
dates stay text, 1e-3 is a number, a key given twice is an error, and environment references in
text are replaced. A reference that is the whole unquoted value may become a number, as in
`max: ${REPLICAS:-4}`. `$${NAME}` stands for a literal `${NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from jobs.spec.errors import Problem, SpecError

_REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"


class _Loader(yaml.SafeLoader):
    """The YAML 1.2 core rules for what an unquoted word means."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Quotes every text: what needs quotes differs between YAML versions."""


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar(_TEXT, text, style='"'))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
# Plain YAML reads 012 as octal 10.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def write_yaml(tree: Mapping[str, object]) -> str:
    """A tree as YAML that `read_yaml` reads back unchanged, whatever its texts hold."""
    return str(yaml.dump(_escaped(tree), Dumper=_Dumper, sort_keys=False))


def _escaped(value: object) -> object:
    """`value` with a `$` before every environment reference in its texts; keys stay."""
    match value:
        case str():
            return _REFERENCE.sub(lambda found: "$" + found.group(0), value)
        case Mapping():
            return {key: _escaped(below) for key, below in value.items()}
        case list() | tuple():
            return [_escaped(below) for below in value]
        case _:
            return value


def read_yaml(text: str, environment: Mapping[str, str]) -> tuple[dict[str, object], list[Problem]]:
    """The tree in a YAML text with environment references replaced, and what could not be read:
    keys given twice and variables that are not set.

    Raises SpecError for text that is not YAML.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        problems = list(_expand(root, "", loader, environment, set())) if root is not None else []
        tree = loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise SpecError(
            [
                Problem(
                    where,
                    f"is not YAML: {error.problem}",
                    None,
                    "correct the indentation or quotes",
                )
            ]
        ) from error
    except yaml.YAMLError as error:
        raise SpecError(
            [Problem("the file", f"is not YAML: {error}", None, "save it as text")]
        ) from error
    finally:
        loader.dispose()
    if not isinstance(tree, dict):
        raise SpecError(
            [Problem("the file", "holds no fields", None, "`gleaner init` writes an example")]
        )
    return tree, problems


def _expand(
    node: yaml.Node,
    path: str,
    loader: _Loader,
    environment: Mapping[str, str],
    visited: set[int],
) -> list[Problem]:
    """Replace references below `node` in place; what could not be replaced is returned."""
    problems: list[Problem] = []
    if id(node) in visited:  # an alias: replaced where its anchor is
        return problems
    visited.add(id(node))
    match node:
        case yaml.MappingNode():
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                below = f"{path}.{name}" if path else name
                if name in seen:
                    line = key.start_mark.line + 1
                    problems.append(
                        Problem(below, f"is given twice (line {line})", None, "keep one")
                    )
                seen.add(name)
                problems += _expand(value, below, loader, environment, visited)
        case yaml.SequenceNode():
            for index, value in enumerate(node.value):
                problems += _expand(value, f"{path}[{index}]", loader, environment, visited)
        case yaml.ScalarNode() if node.tag == _TEXT and "$" in node.value:
            problems += _expand_text(node, path, loader, environment)
    return problems


def _expand_text(
    node: yaml.ScalarNode, path: str, loader: _Loader, environment: Mapping[str, str]
) -> list[Problem]:
    missing: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        escaped, name, default = found.groups()
        if escaped:
            return found.group(0)[1:]
        value = environment.get(name) or default
        if value is None:
            missing.append(name)
            return found.group(0)
        return value

    whole = _REFERENCE.fullmatch(node.value) is not None
    node.value = _REFERENCE.sub(value_of, node.value)
    if whole and node.style is None and node.value:
        node.tag = loader.resolve(yaml.ScalarNode, node.value, (True, False))  # type: ignore[no-untyped-call]
    return [
        Problem(
            path,
            f"the environment variable {name} is not set",
            None,
            f"set it, or write ${{{name}:-default}}",
        )
        for name in missing
    ]
