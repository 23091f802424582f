"""Whoever sends requests of the specification in the suite; every answer that they get is held against the document."""

from functools import cached_property

import requests
from deployment import ENGINE, Deployment
from recipes import RECIPES, Request, Scene
from server import REQUEST_SECONDS_MAX
from specification import official

# Whoever has no credential yet.
PUBLIC = {"getToken"}
# Not in the list of endpoints: whoever can read it knows them.
UNLISTED = {"getConfig", "getToken"}


class Caller(Scene):
    """One principal, or nobody in particular."""

    def __init__(self, deployment: Deployment, who: str | None, scope: str = "catalog"):
        super().__init__(self.send, lambda: deployment.catalog(who))
        self.deployment = deployment
        self.credential = deployment.credential(who) if who else ""
        self.door = deployment.door(who, scope) if who else None

    @cached_property
    def endpoints(self) -> list[str]:
        return self.send(Request(official().operations["getConfig"])).json()["endpoints"]

    @cached_property
    def advertised(self) -> set[str]:
        return {o.name for o in official().operations.values() if o.endpoint in self.endpoints or o.name in UNLISTED}

    def send(self, request: Request, warehouse: str | None = None, method: str | None = None) -> requests.Response:
        """Sends a request; `method` is another one than the operation's."""
        operation = request.operation
        url = f"{self.deployment.iceberg_uri}{request.at(warehouse or self.deployment.warehouse)}"
        headers = ({"Content-Type": "application/json"} if request.body is not None else {}) | request.headers
        arguments = {"params": request.query, "headers": headers, "data": request.data()}
        if self.door and operation.name not in PUBLIC:
            answer = self.door.request(method or operation.method, url, **arguments)
        else:
            answer = requests.request(method or operation.method, url, timeout=REQUEST_SECONDS_MAX, **arguments)
        wrong = official().problems(operation, answer.status_code, answer.headers, answer.content)
        assert not wrong, f"{operation.name}: {wrong}\n{answer.status_code} {answer.text[:2000]}"
        return answer

    def recipe(self, name: str) -> Request:
        """Makes the request that succeeds."""
        return RECIPES[name](self)


class Callers:
    """Those of one deployment."""

    def __init__(self, deployment: Deployment):
        self.deployment = deployment
        # May do everything with tables, may do nothing, may not come in here, is not known.
        self.engine = Caller(deployment, ENGINE)
        deployment.add_principal("nobody")
        self.nobody = Caller(deployment, "nobody")
        deployment.add_principal("asker", scopes="query")
        self.asker = Caller(deployment, "asker", scope="query")
        self.unknown = Caller(deployment, None)
