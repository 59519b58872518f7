"""Settings and faults as words of a command line, `NAME=VALUE`, each with the type that its field has."""

from __future__ import annotations

import dataclasses
import json
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from f7tfs.sandbox.faults import Faults, parse_faults
from f7tfs.sandbox.settings import FileSystemSetting, SandboxSettings, SchedulerKind, TransferMethod

RULES = {"rule": "rules", "s3_rule": "s3_rules"}
"""What one rule is called, and the field that it is added to."""
WITHOUT_DEFAULT = {"quota": 0, "rate_limit": 0}
"""Of the type of those that are switched off by None."""


def settings_of(root: Path, words: Iterable[str] = (), **given: Any) -> SandboxSettings:
    """Settings from words; those in `given` are the caller's own. Raises ValueError for what there is not."""
    base = SandboxSettings(root=root, **given)
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name == "root" or name not in SandboxSettings.__dataclass_fields__:
            raise ValueError(f"there is no setting {name!r}")
        if not equals:
            raise ValueError(f"the setting {name} needs a value")
        values[name] = converted(name, text, getattr(base, name))
    settings = dataclasses.replace(base, **from_json(values))
    if settings.time_zone not in zoneinfo.available_timezones():
        raise ValueError(f"there is no time zone {settings.time_zone!r}")
    if settings.scheduler not in get_args(SchedulerKind):
        raise ValueError(f"there is no scheduler {settings.scheduler!r}")
    if settings.transfer_method not in get_args(TransferMethod):
        raise ValueError(f"there is no transfer method {settings.transfer_method!r}")
    return settings


def from_json(value: dict[str, Any]) -> dict[str, Any]:
    """Fields of SandboxSettings from what JSON can hold."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    if "file_systems" in value:
        fields["file_systems"] = tuple(FileSystemSetting(**f) for f in value["file_systems"])
    for field in {"more_groups", "more_users"} & value.keys():
        fields[field] = {int(number): name for number, name in value[field].items()}
    return fields


def faults_of(words: Iterable[str]) -> dict[str, Any]:
    """The JSON of faults. A name alone switches it on, or counts one. Raises ValueError for what there is not."""
    faults: dict[str, Any] = {}
    plain = Faults()
    for word in words:
        name, equals, text = word.partition("=")
        if name in RULES:
            faults.setdefault(RULES[name], []).append(_json(name, text))
            continue
        if name in RULES.values() or name not in Faults.__slots__:
            raise ValueError(f"there is no fault {name!r}")
        default = WITHOUT_DEFAULT.get(name, getattr(plain, name))
        if not equals and (name in WITHOUT_DEFAULT or not isinstance(default, int)):
            raise ValueError(f"the fault {name} needs a value")
        faults[name] = converted(name, text if equals else "1", default)
    parse_faults(faults)
    return faults


def converted(name: str, text: str, default: Any) -> Any:
    """A value of the type that the default has. Raises ValueError."""
    if isinstance(default, bool):
        if text.lower() not in {"true", "1", "yes", "false", "0", "no"}:
            raise ValueError(f"{name} is true or false, not {text!r}")
        return text.lower() in {"true", "1", "yes"}
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            raise ValueError(f"{name} is a number, not {text!r}") from None
    return text if isinstance(default, str) else _json(name, text)


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{name} is given as JSON: {error}") from None
