"""/reservations: as the OpenAPI document describes them. No real answers were recorded, and 1.17 dropped them."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, answer, endpoint
from f7tfs.sandbox.v1.parameters import check_machine, form_values

FIELDS = ("numberOfNodes", "nodeType", "starttime", "endtime")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class Reservations:
    """Names of reservations and what was asked for; they reserve nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._found: dict[str, dict[str, Any]] = {}

    def _checked(self, what: str, name: str, form: dict[str, str]) -> dict[str, Any]:
        error = f"Error {what} reservation {name}"
        for field in FIELDS:
            if not form.get(field):
                raise ApiError(400, {"error": error, "description": f"Error: '{field}' not specified"})
        for field in ("starttime", "endtime"):
            if not TIME.fullmatch(form[field]):
                raise ApiError(400, {"error": error, "description": f"Error: invalid {field} reservation"})
        return {
            "reservationname": name,
            "state": "INACTIVE",
            "starttime": form["starttime"],
            "endtime": form["endtime"],
            "nodes": "localhost",
            "numberOfNodes": form["numberOfNodes"],
            "nodeType": form["nodeType"],
        }

    def _known(self, what: str, name: str) -> None:
        if name not in self._found:
            said = f"Error: {name} doesn't seem to be a valid reservation"
            raise ApiError(400, {"error": f"Error {what} reservation {name}", "description": said})

    async def many(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "reservations")
        return answer({"success": list(self._found.values())})

    async def create(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "reservations")
        form = await form_values(request)
        name = form.get("reservation", "")
        self._found[name] = self._checked("creating", name, form)
        return answer({"success": f"Reservation created: {name}"}, 201)

    async def update(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "reservations")
        name = request.path_params["name"]
        self._known("updating", name)
        self._found[name] = self._checked("updating", name, await form_values(request))
        return answer({"success": f"Reservation {name} updated"})

    async def delete(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "reservations")
        name = request.path_params["name"]
        self._known("deleting", name)
        del self._found[name]
        return Response(None, 204, None, "application/json")


def routes(site: Site) -> list[Route]:
    found = Reservations(site)
    table = [
        ("GET", "/reservations", found.many),
        ("POST", "/reservations", found.create),
        ("PUT", "/reservations/{name}", found.update),
        ("DELETE", "/reservations/{name}", found.delete),
    ]
    return [Route(path, endpoint(site, handler), methods=[method]) for method, path, handler in table]
