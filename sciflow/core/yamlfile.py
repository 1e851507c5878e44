"""YAML that reads as its author meant: 1e-3 is a number, ``no`` is a word, and a key given twice is an error."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from sciflow.core.errors import InputError

# The scalars of the YAML 1.2 core schema; PyYAML follows YAML 1.1, where 1e-3 is text, `no` is false and 1:30 is 90.
_SCALARS = {
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+", "-+0123456789"),
    "float": (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN)", "-+0123456789."),
}


def parse_yaml(text: str, where: str = "the text") -> Any:
    """The value that YAML ``text`` describes.

    Raises:
        InputError: the text is not valid YAML or gives a key twice; the message says in which line of ``where``.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{where}{line} is not valid YAML: {reason}.") from error


def load_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file (empty for an empty file).

    Raises:
        InputError: the file cannot be read, is not valid YAML or does not hold a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"The file {path} cannot be read: {reason}.") from error
    value = parse_yaml(text, str(path))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a mapping of names to values, not a {type(value).__name__}.")
    return value


@cache
def _loader() -> Any:
    """PyYAML's safe loader with the scalars above, and without repeated keys."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key.value, str):  # a list or mapping as key is refused below
                    continue
                if key.value in seen:
                    problem = f"the key '{key.value}' is given twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

    for tag, (pattern, first) in _SCALARS.items():
        characters = [character if character != "\0" else "" for character in first]
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), characters)
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^(?:<<)$"), ["<"])
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))  # 010 is ten, not eight
    return Loader
