"""A file of YAML, checked key by key against the shape that it should have.

Every mistake is answered with one sentence that names the file, the path of the key, and what is allowed there.
"""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Struct

from trainwarden.errors import ConfigurationError

S = TypeVar("S", bound=Struct)


def absolute(file: str) -> Path:
    """Where a file that the configuration names lies: ``~`` is the user's home, else relative to where we run."""
    return Path(file).expanduser().absolute()


def read_yaml(path: Path) -> Any:
    """What a file of YAML holds; an empty one is an empty mapping. Raises ``ConfigurationError``."""
    import yaml  # 1 MB that an exporter without a file does not carry

    try:
        loader = yaml.SafeLoader(path.read_text())
        node = loader.get_single_node()
        _refuse_twice(node, str(path))
        raw = loader.construct_document(node) if node else None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigurationError(f"{path}: is not YAML: {place}{error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    return {} if raw is None else raw


def _refuse_twice(document: Any, source: str) -> None:
    """Raise ``ConfigurationError`` for a key that stands twice in one mapping: YAML would take the last in silence."""
    waiting, seen = [document], set()
    while waiting:
        node = waiting.pop()
        if not isinstance(getattr(node, "value", None), list) or id(node) in seen:  # an alias may lead back up
            continue
        seen.add(id(node))
        lines: dict[Any, int] = {}
        for part in node.value:
            key, value = part if isinstance(part, tuple) else (None, part)
            waiting.append(value)
            if key is None or not isinstance(key.value, str):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigurationError(
                    f"{source}: line {line}: '{key.value}' stands in line {lines[key.value]} already; put both together"
                )
            lines[key.value] = line


def convert(raw: Any, shape: type[S], source: str) -> S:
    """Check a parsed file key by key and give it its shape; ``source`` names it in errors."""
    try:
        return msgspec.convert(_prepare(raw, msgspec.inspect.type_info(shape), ""), shape)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def unknown(path: str, name: str, allowed: Any, what: str = "key") -> ConfigurationError:
    """What to say of a name that is not known here, with the closest of those that are."""
    import difflib  # needed only to help with a mistake

    close = difflib.get_close_matches(name, list(allowed), n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return ConfigurationError(f"{path}: unknown {what}{hint}; allowed here: {', '.join(sorted(allowed))}")


def _prepare(raw: Any, kind: msgspec.inspect.Type, path: str) -> Any:
    """Check keys and values against the type, with their paths, and turn written durations into seconds."""
    kind, is_duration = _bare(kind)
    if is_duration and isinstance(raw, str):
        return _duration(raw, path)
    if isinstance(kind, msgspec.inspect.StructType):
        return _prepare_struct(raw, kind, path)
    if raw is None:  # whether that is allowed, the structure around it says
        return raw
    if isinstance(kind, msgspec.inspect.DictType):
        return _prepare_mapping(raw, kind, path)
    if isinstance(kind, msgspec.inspect.LiteralType) and raw not in kind.values:
        raise unknown(path, str(raw), kind.values, what="word")
    if isinstance(kind, msgspec.inspect.FloatType) and not isinstance(raw, int | float):
        raise ConfigurationError(f"{path}: expected a number, got {raw!r}")
    return raw


def _prepare_mapping(raw: Any, kind: msgspec.inspect.DictType, path: str) -> Any:
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: expected a mapping, got {_word(raw)}")
    for key in raw:
        if not isinstance(key, str):
            raise ConfigurationError(f"{path}: the name {key} is {_word(key)} to YAML; write it in quotes")
    return {key: _prepare(value, kind.value_type, _join(path, key)) for key, value in raw.items()}


def _prepare_struct(raw: Any, kind: msgspec.inspect.StructType, path: str) -> Any:
    if isinstance(raw, dict):
        fields = {f.encode_name: f.type for f in kind.fields}
        for key in raw:
            if key not in fields:
                raise unknown(_join(path, key), str(key), fields)
        raw = {key: _prepare(value, fields[key], _join(path, key)) for key, value in raw.items()}
    try:
        # msgspec's own path has no names of mappings ("$[...].x"), so each structure is judged where its path is known.
        msgspec.convert(raw, kind.cls)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_readable(str(error), path)) from error
    return raw


def _bare(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, bool]:
    """Strip annotations and ``| None``; say whether the type is a duration."""
    duration = False
    while True:
        if isinstance(kind, msgspec.inspect.Metadata):
            duration = duration or (kind.extra or {}).get("unit") == "seconds"
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
        else:
            return kind, duration


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def _duration(text: str, path: str) -> float:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ConfigurationError(f"{path}: '{text}' is not a duration; write seconds, or 90s, 30m, 1h30m, 2d")
    parts = (float(part) if part else 0.0 for part in match.groups())
    return sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=True))


_YAML_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "list": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}
"""By the names of msgspec's messages, and of Python's types."""


def _word(raw: Any) -> str:
    """What a value is, as people who write YAML call it."""
    return _YAML_WORDS.get(type(raw).__name__, "something else")


def _readable(message: str, path: str) -> str:
    """msgspec says ``Expected `str | null`, got `int` - at `$.a.b` ``; users read ``a.b: expected text, got …``."""
    said, _, where = message.partition(" - at `$")
    place = f"{path}{where.rstrip('`')}".lstrip(".") or "the file"
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", said):
        return f"{place}: '{missing[1]}' is missing"
    words = re.sub(
        r"`(\w+)(?: \| null)?`", lambda found: _YAML_WORDS.get(found[1], f"'{found[1]}'"), said[0].lower() + said[1:]
    )
    return f"{place}: {words}"
