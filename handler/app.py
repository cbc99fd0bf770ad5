"""The application: the routes of every feature, and how their errors are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from handler.answers import error_answers, with_errors
from handler.asgi import App
from handler.documentation import Route
from handler.lists.files import Files
from handler.operations.routes import Operations
from handler.routes import Api, Routes
from handler.swagger.page import Swagger
from handler.web.page import Page


class Feature(Protocol):
    """Routes that belong together."""

    def routes(self) -> list[Route]: ...


def create_app(
    service: Api,
    max_body_bytes: int = 65_536,
    features: Sequence[Feature] = (),
    music_url: str | None = None,
    operations: Operations | None = None,
) -> App:
    """The API over ``service``, the page, and what ``features`` add; a POST body may be
    ``max_body_bytes`` long, and songs lie below ``music_url`` (see ``Files``).
    ``operations`` watches over it, one of its own if None."""
    operations = operations or Operations(service.health())
    names = Routes(service, max_body_bytes, Files(music_url))
    own: list[Feature] = [names, operations, Swagger(), Page()]
    parts = [*own, *features]
    routes = [route for part in parts for route in part.routes()]
    answer_error = error_answers({route.path: route.nothing for route in routes})
    models = {model for route in routes for model in route.models}
    app = App(
        "vibe-search",
        "Songs that sound alike, by their audio alone.",
        answer_error,
        models=sorted(models, key=lambda model: model.__name__),
        around=operations.observer.around,
    )
    for route in routes:
        endpoint = with_errors(route.endpoint, answer_error)
        app.direct(route.method, route.path, endpoint, route.documentation())
    return app
