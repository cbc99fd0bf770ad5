"""OpenAPI: every route with every status, each with a model and an example that fits it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from embed import __version__
from handler.asgi import App
from handler.swagger.page import POLICY
from tests.services import app_of
from tests.serving import call, named_bundle

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """With every feature, so that each route is held to this."""
    return app_of(named_bundle(tmp_path_factory.mktemp("documented") / "bundle"))


@pytest.fixture(scope="module")
def document(app: App) -> dict[str, Any]:
    return dict(call(app, "GET", "/openapi.json").json)


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_has_name_tag_summary_and_what_any_may_answer(
    document: dict[str, Any],
) -> None:
    found = operations(document)
    assert len(found) >= 7
    names = [operation["operationId"] for operation in found.values()]
    assert len(set(names)) == len(names)
    for operation in found.values():
        assert operation["tags"]
        assert operation["summary"]
        assert {"405", "500"} < operation["responses"].keys()
        assert any(status.startswith("2") for status in operation["responses"])


def test_every_answer_has_an_example_that_fits_its_model(document: dict[str, Any]) -> None:
    checked = 0
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], name
            for kind, content in response["content"].items():
                assert "example" in content or kind != "application/json", (name, status)
                if kind != "application/json":
                    continue
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                assert status < "400" or content["example"]["error"], (name, status)
                checked += 1
    assert checked > 40


def test_every_request_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    """Of every JSON body, and of every parameter that has to be given."""
    bodies, given = 0, 0
    for name, operation in operations(document).items():
        for parameter in operation.get("parameters", []):
            if parameter["required"] or "example" in parameter:
                Draft202012Validator(parameter["schema"]).validate(parameter["example"])
                given += 1
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        schema = content["application/json"]["schema"]
        model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert model["examples"], name
        validator = Draft202012Validator({**schema, "components": document["components"]})
        for example in model["examples"]:
            validator.validate(example)
            bodies += 1
    assert bodies >= 5
    assert given >= 3


def test_the_version_is_the_projects(document: dict[str, Any]) -> None:
    assert document["info"]["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "embed.__version__"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG VERSION=(\S+)$", dockerfile, re.M)[1] == __version__
    assert "VIBE_REVISION=${REVISION}" in dockerfile


def test_every_package_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in ("embed", "export", "handler")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == found


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_takes_everything_from_this_host(app: App, path: str) -> None:
    answer = call(app, "GET", path)
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    page = answer.body.decode()
    assert "<script>" not in page
    assert " style=" not in page
    taken = re.findall(r'(?:src|href)="([^"]+)"', page)
    files = [one for one in taken if not one.startswith("data:")]
    assert len(files) == 3
    for file in files:
        # As a browser resolves it against the page's address.
        found = call(app, "GET", path.rpartition("/")[0] + "/" + file)
        assert found.status == 200
        assert found.content_type in ("text/javascript; charset=utf-8", "text/css; charset=utf-8")
        assert len(found.body) > 300


def test_swagger_ui_is_the_one_its_start_expects(app: App) -> None:
    assert b"SwaggerUIBundle" in call(app, "GET", "/docs/swagger-ui-bundle.js").body
    start = call(app, "GET", "/docs/start.js").body
    assert b"../openapi.json" in start
    assert b"http" not in start
