"""Requests that nobody thought of, made from an OpenAPI document: the same ones for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.openapi import Judge

ODD = 0.08
"""How often something is left out, added that is none of its kind, or is not what it should be."""
NAMES = ("a", "d", "sub dir", "none", "deep/er", ".hidden", "x" * 300, "ünïcode")
HARMLESS = "#!/bin/bash\ntrue\n"
# What a program would run, and what has to be known to mean anything.
FIXED: dict[str, tuple[str, ...]] = {
    "script": (HARMLESS,),
    "command": ("true", "false"),
    "system_name": ("cluster", "CLUSTER", "cluster", "none"),
    "machinename": ("cluster", "none"),
    "X-Machine-Name": ("cluster", "cluster", "cluster", "none"),
    "servicename": ("utilities", "none"),
    "nodeName": ("localhost", "none"),
    "mode": ("640", "u+x", "755", "nonsense"),
    "owner": ("user", "", "nobody-here"),
    "group": ("users", "", "no-group"),
}
PATHS = frozenset({"path", "sourcePath", "targetPath", "linkPath", "workingDirectory", "scriptPath"})
IDS = ("999999", "none", "0")
JOBS = frozenset({"job_id", "jobid", "jobs", "taskid", "tasks", "X-Task-Id", "dependency"})


@dataclass(frozen=True)
class Invented:
    """One request, as an HTTP library takes it."""

    method: str
    path: str
    rest: dict[str, Any] = field(default_factory=dict)


class Inventor:
    """Makes requests of all operations of a document. Paths are below `home`.

    Of jobs and tasks it names such as there are not: what those of earlier requests have come to depends on the time.
    """

    def __init__(self, judge: Judge, home: str, seed: int, *, plain: bool) -> None:
        self._judge = judge
        self._home = home
        self._random = random.Random(seed)
        self._names = [name for name in NAMES if name.isascii()] if plain else list(NAMES)
        self._operations = sorted(judge.operations, key=lambda each: (each[1], each[0]))

    def request(self) -> Invented:
        """The next one."""
        method, template = self._random.choice(self._operations)
        shared, described = self._judge.described(method, template)
        path, query, headers = template, {}, {}
        for parameter in [*shared, *described.get("parameters", [])]:
            name, place = parameter["name"], parameter["in"]
            if place != "path" and self._left_out(bool(parameter.get("required"))):
                continue
            value = self._value(name, parameter.get("schema", {}))
            if place == "path":
                path = path.replace(f"{{{name}}}", str(value or "none").replace("/", "_"))
            elif place == "query":
                query[name] = _text(value)
            else:
                headers[name] = _text(value)
        rest: dict[str, Any] = {"params": query, "headers": headers}
        rest |= self._body(described.get("requestBody", {}).get("content", {}))
        return Invented(method, path, rest)

    def _body(self, content: dict[str, Any]) -> dict[str, Any]:
        if "application/json" in content:
            value = self._value("", content["application/json"]["schema"])
            return {"json": value if self._random.random() > ODD else "nonsense"}
        if "multipart/form-data" in content:
            found = self._value("", content["multipart/form-data"]["schema"]) or {}
            fields = {name: _text(value) for name, value in found.items() if name != "file"}
            files = {"file": ("f.sh", HARMLESS.encode())} if "file" in found else None
            return {"data": fields, "files": files}
        return {}

    def _left_out(self, required: bool) -> bool:
        return self._random.random() < (ODD if required else 0.5)

    def _value(self, name: str, schema: dict[str, Any]) -> Any:
        """One that the schema allows, mostly."""
        if name in FIXED:
            return self._random.choice(FIXED[name])
        if name in PATHS:
            return self._path()
        if name in JOBS:
            return self._random.choice(IDS)
        schema = self._judge.resolved(schema)
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self._value(name, self._random.choice(schema[choice]))
        if "const" in schema or "enum" in schema:
            allowed = [schema["const"]] if "const" in schema else schema["enum"]
            return self._random.choice(allowed) if self._random.random() > ODD else "nonsense"
        return self._of_type(schema)

    def _of_type(self, schema: dict[str, Any]) -> Any:
        match schema.get("type"):
            case "object":
                required = set(schema.get("required", ()))
                members = schema.get("properties", {}).items()
                return {n: self._value(n, s) for n, s in members if not self._left_out(n in required)}
            case "array":
                return [self._value("", schema.get("items", {})) for _ in range(self._random.randrange(3))]
            case "boolean":
                return self._random.random() < 0.5
            case "integer" | "number":
                return self._random.choice((0, 1, 2, 17, 4096, 10**7, -1))
            case "null":
                return None
            case _:
                return self._random.choice(("word", "two words", "", "1", "true"))

    def _path(self) -> str:
        if self._random.random() < ODD:
            return self._random.choice(("relative", "/etc/passwd", "", f"{self._home}/../../etc", "/"))
        return f"{self._home}/{self._random.choice(self._names)}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
