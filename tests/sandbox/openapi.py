"""A judge of requests and answers by an OpenAPI document (3.0 or 3.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jsonschema


def as_json_schema(value: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(value, list):
        return [as_json_schema(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    plain = {key: as_json_schema(entry) for key, entry in value.items()}
    return {"anyOf": [plain, {"type": "null"}]} if value.get("nullable") is True else plain


class Judge:
    """Says what of an exchange is not as the document has it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = as_json_schema(document)
        self.operations = {
            (method.upper(), path)
            for path, methods in document["paths"].items()
            for method in methods
            if method in {"get", "post", "put", "delete"}
        }

    def operation(self, method: str, path: str) -> tuple[str, str] | None:
        """The operation that a call is, a plain path before a template."""
        found = [(m, t) for m, t in self.operations if m == method and _matches(t, path)]
        return min(found, key=lambda each: each[1].count("{")) if found else None

    def described(self, method: str, template: str) -> tuple[list[Any], dict[str, Any]]:
        """The parameters that all methods of a path share, and what the document has of one of them."""
        item = self._document["paths"][template]
        found = dict(self.resolved(item[method.lower()]))
        found["parameters"] = [self.resolved(each) for each in found.get("parameters", [])]
        return [self.resolved(each) for each in item.get("parameters", [])], found

    def complaints(self, base: str, answer: httpx.Response) -> Iterator[str]:
        """What is wrong with a request and its answer; `base` is the URL that the document's paths follow."""
        request = answer.request
        path = urlsplit(str(request.url)).path.removeprefix(urlsplit(base).path)
        found = self.operation(request.method, path)
        if found is None:
            yield f"{request.method} {path}: not in the document"
            return
        described = self.resolved(self._document["paths"][found[1]][found[0].lower()])
        shared = self._document["paths"][found[1]].get("parameters", [])
        where = f"{found[0]} {found[1]}"
        if answer.is_success:
            yield from self._request(where, [*shared, *described.get("parameters", [])], request)
        yield from self._answer(where, described["responses"], answer)

    def _request(self, where: str, parameters: list[Any], request: httpx.Request) -> Iterator[str]:
        query = parse_qs(urlsplit(str(request.url)).query, keep_blank_values=True)
        known = [self.resolved(parameter) for parameter in parameters]
        for parameter in known:
            places: dict[str, Any] = {"query": query, "header": request.headers}
            place = places.get(parameter["in"])
            if place is not None and parameter.get("required") and parameter["name"] not in place:
                yield f"{where}: without the {parameter['in']} parameter {parameter['name']}"
        for name in query.keys() - {p["name"] for p in known if p["in"] == "query"}:
            yield f"{where}: with the query parameter {name}, which the document does not have"

    def _answer(self, where: str, responses: dict[str, Any], answer: httpx.Response) -> Iterator[str]:
        status = str(answer.status_code)
        described = next((responses[key] for key in (status, f"{status[0]}XX", "default") if key in responses), None)
        if described is None:
            yield f"{where}: {status} is not in the document"
            return
        kind = answer.headers.get("content-type", "").partition(";")[0]
        content = self.resolved(described).get("content", {})
        if not content or not answer.content:
            return
        if "*/*" in content:
            kind = "*/*"
        if kind not in content:
            yield f"{where}: {status} is {kind or 'of no type'}, not {sorted(content)}"
        elif kind == "application/json" and "schema" in content[kind]:
            yield from self._body(f"{where}: {status}", content[kind]["schema"], answer)

    def _body(self, where: str, schema: Any, answer: httpx.Response) -> Iterator[str]:
        whole = {**schema, "components": self._document.get("components", {})}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(json.loads(answer.content)):
            place = "/".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
            yield f"{where} at /{place}: {_short(error.message)}"

    def resolved(self, value: Any) -> Any:
        """What a reference leads to."""
        while "$ref" in value:
            found: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            value = found
        return value


def _matches(template: str, path: str) -> bool:
    parts = re.split(r"\{[^}]+\}", template)
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) is not None


def _short(message: str) -> str:
    return message if len(message) < 120 else f"…{message[-100:]}"
