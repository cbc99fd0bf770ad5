"""Songs asked for in words, as clients ask, and the names that came."""

from __future__ import annotations

from typing import Any

from handler.asgi import App
from tests.serving import Answer, call

PATH = "/recommend/text"


def get(app: App, query: str) -> Answer:
    return call(app, "GET", PATH, query=query)


def post(app: App, **body: Any) -> Answer:
    return call(app, "POST", PATH, body)


def songs(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert answer.json["matched"] is None
    return [one["song"] for one in answer.json["recommendations"]]
