"""/metrics and /version, and the observer that fills the one."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from embed import __version__
from embed.manifest import FORMAT
from handler.answers import json_answer
from handler.documentation import Route
from handler.operations.metrics import Metrics
from handler.operations.observe import Observer
from handler.operations.schemas import VersionResponse

if TYPE_CHECKING:
    from handler.operations.exposition import Exposition

UNKNOWN: Final = "unknown"
_EXAMPLE: Final = """\
# HELP vibe_http_requests_total Requests answered, …
# TYPE vibe_http_requests_total counter
vibe_http_requests_total{method="POST",route="/recommend",status="200"} 1027.0
"""


class Operations:
    """Over an application whose /health is ``health``; ``revision`` is the commit it is of.

    Features that run an encoder tell ``metrics.encoder(kind)`` of it.
    """

    def __init__(self, health: Mapping[str, Any], revision: str = UNKNOWN) -> None:
        model = health.get("model") or {}
        self._version = {
            "version": __version__,
            "revision": revision,
            "bundle": health.get("bundle", ""),
            "format": FORMAT,
            "python": platform.python_version(),
        }
        build = {name: str(value) for name, value in self._version.items()} | {
            "spec": health.get("spec", ""),
            "model": model.get("id", ""),
            "kind": model.get("kind", ""),
            "precision": model.get("precision", ""),
        }
        self.metrics = Metrics(health.get("songs_loaded", 0), build)
        self.observer = Observer(self.metrics)
        self._exposition: Exposition | None = None

    def routes(self) -> list[Route]:
        """Both."""
        text = {"schema": {"type": "string"}, "example": _EXAMPLE}
        return [
            Route("GET", "/version", self.version, "Which version runs", {200: VersionResponse}),
            Route(
                *("GET", "/metrics", self.scraped, "Figures for Prometheus", {}),
                contents={200: {"text/plain": text, "application/openmetrics-text": text}},
            ),
        ]

    async def version(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint's shape
        """Of the program and the bundle."""
        return json_answer(self._version)

    async def scraped(self, request: Request) -> Response:
        """All figures, in the format that was asked for."""
        body, content_type = self.exposition().text(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    def exposition(self) -> Exposition:
        """What shows the figures, made by the first scrape."""
        if self._exposition is None:
            from handler.operations.exposition import Exposition  # noqa: PLC0415 - 35 ms

            self._exposition = Exposition(self.metrics)
        return self._exposition
