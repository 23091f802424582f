"""The Iceberg REST specification as a judge: finds the operation that a request is, and says what is wrong with its answer.

Holds status, content type, headers and body against the official document; judges answers, never requests. Stricter than
the document in two places: a successful answer has no member that the document does not know, and what must have no body
has none."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import divergences
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = Path(__file__).parent / "openapi" / "rest-catalog-open-api.yaml"
URN = "urn:iceberg-rest"
METHODS = ("get", "head", "post", "put", "delete")


@dataclass(frozen=True)
class Parameter:
    """A declared parameter; `place` is path, query or header."""

    name: str
    place: str


@dataclass(frozen=True)
class Operation:
    """One operation of the document. `endpoint` is how `getConfig` advertises it."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    responses: dict = field(hash=False, compare=False)
    has_body: bool

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"


class Specification:
    """The document, ready to judge."""

    def __init__(self, document: dict):
        self._document = _with_mappings(divergences.amend(document))
        registry = Registry().with_resource(URN, Resource(contents=self._document, specification=DRAFT202012))
        self._validator = lambda schema: Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
        self.operations = {operation.name: operation for operation in self._read()}
        self._matchers = [(self._pattern(operation.path), operation) for operation in self.operations.values()]

    def _read(self):
        for path, item in self._document["paths"].items():
            common = item.get("parameters", [])
            for method in METHODS:
                if said := item.get(method):
                    declared = [self._resolved(p) for p in common + said.get("parameters", [])]
                    parameters = tuple(Parameter(p["name"], p["in"]) for p in declared)
                    yield Operation(said["operationId"], method.upper(), path, parameters, said["responses"], "requestBody" in said)

    def _resolved(self, node: dict) -> dict:
        while "$ref" in node:
            target = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    @staticmethod
    def _pattern(path: str) -> re.Pattern:
        return re.compile("/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/")))

    def match(self, method: str, path: str) -> Operation | None:
        """Finds the operation of a request; `path` begins with `/v1/`, with the warehouse's prefix or without."""
        found = [o for pattern, o in self._matchers if o.method == method and pattern.fullmatch(path)]
        if not found and path.startswith("/v1/"):
            # The default warehouse: the document's paths without their prefix.
            longer = path.replace("/v1/", "/v1/_/", 1)
            found = [o for pattern, o in self._matchers if o.method == method and pattern.fullmatch(longer)]
        # A literal segment wins over a variable one: `tables/rename` is no table.
        return min(found, key=lambda o: o.path.count("{"), default=None)

    def problems(self, operation: Operation, status: int, headers, body: bytes) -> list[str]:
        """Says what is wrong with an answer."""
        documented = self._documented(operation, status)
        if documented is None:
            return [f"status {status} is not documented"]
        found = list(self._headers(documented, status, headers))
        media = documented.get("content")
        if operation.method == "HEAD" or media is None:
            if body:
                found.append(f"status {status} has no body, but {body[:200]!r} came")
            return found
        kind = headers.get("content-type", "").split(";")[0].strip()
        if kind not in media:
            return [*found, f"content type `{kind}` is not one of {list(media)}"]
        try:
            value = json.loads(body)
        except ValueError as error:
            return [*found, f"the body is no JSON: {error}"]
        return found + self._mismatches(divergences.schema(operation, media[kind]["schema"]), value, status)

    def _documented(self, operation: Operation, status: int) -> dict | None:
        responses = operation.responses
        for key in (status, str(status), f"{status // 100}XX"):
            if key in responses:
                return self._resolved(responses[key])
        like = divergences.status(operation, status)
        return None if like is None else self._resolved(like)

    def _headers(self, documented: dict, status: int, headers):
        for name, said in documented.get("headers", {}).items():
            said = self._resolved(said)
            if name in headers:
                errors = self._validator({"$id": f"{URN}:header", **said["schema"]}).iter_errors(headers[name])
                yield from (f"header {name}: {error.message}" for error in errors)
            elif said.get("required"):
                yield f"header {name} is missing"
        if status == 503 and "retry-after" not in headers:
            yield "503 without Retry-After"

    def _mismatches(self, schema: dict, value, status: int) -> list[str]:
        whole = {"allOf": [_absolute(schema)]}
        if status < 300:
            whole["unevaluatedProperties"] = False
        errors = sorted(self._validator(whole).iter_errors(value), key=lambda e: e.json_path)
        # A member of a part that does not hold is unknown too: that says nothing more.
        errors = [e for e in errors if e.validator != "unevaluatedProperties"] or errors
        return [f"{error.json_path}: {error.message[:300]}" for error in errors[:5]]


def _absolute(schema):
    """Makes references of a part of the document hold outside of it."""
    if isinstance(schema, dict):
        return {k: f"{URN}{v}" if k == "$ref" and v.startswith("#") else _absolute(v) for k, v in schema.items()}
    return [_absolute(item) for item in schema] if isinstance(schema, list) else schema


def _with_mappings(node):
    """Turns what OpenAPI says beyond JSON Schema into JSON Schema: `nullable`, and choices by a discriminator, whose own
    mapping says more exactly than `oneOf` which schema a value must match."""
    if isinstance(node, list):
        return [_with_mappings(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _with_mappings(value) for key, value in node.items()}
    if made.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "oneOf" in made and "mapping" in made.get("discriminator", {}):
        del made["oneOf"]
        by, mapping = made["discriminator"]["propertyName"], made["discriminator"]["mapping"]
        choices = [
            {"if": {"properties": {by: {"const": value}}, "required": [by]}, "then": {"$ref": target}}
            for value, target in mapping.items()
        ]
        made["allOf"] = [{"required": [by], "properties": {by: {"enum": list(mapping)}}}, *choices]
    return made


@cache
def official() -> Specification:
    """The vendored document."""
    return Specification(yaml.load(DOCUMENT.read_text(), Loader=yaml.CSafeLoader))


def judge(method: str, url: str, iceberg_uri: str, status: int, headers, body: bytes) -> list[str]:
    """Says what is wrong with the answer to a request of any client; nothing if it is not for the Iceberg door."""
    path = url.split("?")[0]
    if not path.startswith(f"{iceberg_uri}/v1/"):
        return []
    path = path.removeprefix(iceberg_uri)
    operation = official().match(method, path)
    if operation is None:
        return [f"{method} {unquote(path)} is no operation"] if status < 300 else []
    return [f"{operation.name}: {p}" for p in official().problems(operation, status, headers, body)]
