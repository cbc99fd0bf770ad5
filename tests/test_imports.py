"""Who may import whom: the rules of the design, read from the source."""

from __future__ import annotations

import ast
import graphlib
from functools import lru_cache
from pathlib import Path

import pytest

from tests.processes import REPOSITORY

PACKAGES = ("embed", "export", "handler")

MAY_IMPORT = {"embed": {"embed"}, "export": {"embed", "export"}, "handler": {"embed", "handler"}}

# Each heavy dependency has an owner, so that replacing it is one module's matter.
OWNERS = {
    "torch": ["export/"],
    "transformers": ["export/"],
    "optimum": ["export/"],
    "onnx": ["export/"],
    "huggingface_hub": ["export/"],
    "librosa": ["export/"],
    "fastapi": ["handler/"],
    "starlette": ["handler/"],
    "pydantic": ["handler/"],
    "mangum": ["handler/"],
    "prometheus_client": ["handler/operations/exposition.py"],
    "pythonjsonlogger": ["handler/operations/logs.py"],
    "uvicorn": ["handler/"],
    "python_multipart": ["handler/sound/"],
    "onnxruntime": ["embed/encoder.py", "export/"],
    "tokenizers": ["embed/text.py", "export/sample/"],
    "soundfile": ["embed/decoders.py", "embed/sample/", "export/sample/"],
    "av": ["embed/ffmpeg.py", "embed/opus.py"],
    "openTSNE": ["embed/planar.py"],
    "usearch": ["embed/hnsw.py"],
    "soxr": ["embed/audio.py", "export/sample/"],
    "mutagen": ["embed/decoders.py", "embed/tags.py", "embed/sample/"],
    # S3 is the store's; the comparison invokes a function.
    "boto3": ["embed/store/", "handler/compare/functions.py"],
    "botocore": ["embed/store/", "handler/compare/functions.py"],
    "rapidfuzz": ["embed/names.py"],
    "ray": ["embed/cluster/pool.py"],
    "pyarrow": ["embed/cluster/shards.py"],
    "filelock": ["embed/writer.py", "embed/store/local.py"],
    "tqdm": ["embed/progress.py"],
    "pymilvus": ["embed/milvus/connection.py", "embed/milvus/client.py"],
    "grpc": ["embed/milvus/connection.py"],
    "click": [
        *("embed/__main__.py", "export/__main__.py"),
        *("handler/__main__.py", "handler/server.py", "handler/compare/__main__.py"),
        *("embed/arguments.py", "embed/store/commands.py", "embed/commands/"),
    ],
}

# A module may know those before it, and of its own line.
LAYERS = [
    ["errors"],
    ["spec"],
    ["reader", "ffmpeg", "decoders", "audio", "windows", "mel"],
    ["encoder", "text"],
    ["workers", "confine"],
    ["clip", "prepare", "crew", "batch", "engine", "opus", "previews"],
    ["pipeline"],
    ["__main__"],
]

AUDIO = {"reader", "ffmpeg", "decoders", "audio", "windows", "mel", "encoder"} | {
    *("tags", "scan", "bucket", "prepare", "crew", "batch", "engine", "clip", "pipeline"),
    *("opus", "previews"),
}
KNOW_NOTHING_OF_AUDIO = [
    *("catalogue", "schema", "index", "bundle", "manifest", "writer", "assemble"),
    *("vectorfile", "hnsw", "approximate", "indexfile", "indexing", "opening", "carried"),
    *("library", "playlist", "pairs", "m3u8"),
]


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def _id(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@lru_cache
def _imports(path: Path) -> frozenset[str]:
    """Dotted names of what a file imports, wherever in it, but for type checkers alone."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            # `from embed import sample` names a module as well as `from embed.spec import Spec`.
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def _module_file(name: str) -> Path | None:
    path = REPOSITORY.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def _known_to(path: Path) -> set[Path]:
    """The project's files that a file imports, and those that they import, and so on."""
    known: set[Path] = set()
    todo = [path]
    while todo:
        files = {_module_file(name) for name in _imports(todo.pop())} - {None} - known
        known |= files
        todo.extend(files)
    return known


def _embed(name: str) -> Path:
    return REPOSITORY / "embed" / f"{name}.py"


@pytest.mark.parametrize("path", _sources(), ids=_id)
def test_a_package_imports_only_those_it_may(path):
    package = path.relative_to(REPOSITORY).parts[0]
    ours = {name.partition(".")[0] for name in _imports(path)} & {*PACKAGES, "tests"}
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", _sources(), ids=_id)
def test_a_heavy_dependency_is_imported_by_its_owner_alone(path):
    for name in {name.partition(".")[0] for name in _imports(path)} & OWNERS.keys():
        assert _id(path).startswith(tuple(OWNERS[name])), f"{name} belongs to {OWNERS[name]}"


def test_every_owner_is_there():
    # Else the rule above would hold of nothing.
    used = {name.partition(".")[0] for path in _sources() for name in _imports(path)}
    assert {"torch", "fastapi", "onnxruntime", "soundfile", "av", "soxr", "mutagen"} <= used
    assert {"boto3", "botocore"} <= used


@pytest.mark.parametrize("level", range(len(LAYERS)), ids=lambda level: LAYERS[level][0])
def test_a_layer_knows_only_those_below(level):
    above = {_embed(name) for layer in LAYERS[level + 1 :] for name in layer}
    for name in LAYERS[level]:
        assert _embed(name).exists()
        assert not _known_to(_embed(name)) & above


@pytest.mark.parametrize("name", KNOW_NOTHING_OF_AUDIO)
def test_what_the_api_serves_from_knows_nothing_of_audio(name):
    known = _known_to(_embed(name))
    assert not known & {_embed(audio) for audio in AUDIO}


def test_what_searches_elsewhere_knows_nothing_of_audio():
    modules = list((REPOSITORY / "embed/milvus").glob("*.py"))
    assert len(modules) > 5
    for path in modules:
        assert not _known_to(path) & {_embed(audio) for audio in AUDIO}


def test_the_store_knows_nothing_of_audio():
    modules = list((REPOSITORY / "embed/store").glob("*.py"))
    assert len(modules) > 5
    for path in modules:
        assert not _known_to(path) & {_embed(audio) for audio in AUDIO}


def test_no_module_imports_itself_by_way_of_others():
    graph = {
        _id(path): {_id(file) for name in _imports(path) if (file := _module_file(name))}
        - {_id(path)}
        for path in _sources()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(graph)


@pytest.mark.parametrize(
    "path", [path for path in _sources() if path.is_relative_to(REPOSITORY / "embed")], ids=_id
)
def test_the_library_does_not_read_the_environment(path):
    source = path.read_text()
    if path == REPOSITORY / "embed/__init__.py":  # it says one thing to ONNX Runtime, and asks none
        source = source.replace('os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")', "")
    tree = ast.walk(ast.parse(source))
    assert not {"environ", "getenv"} & {n.attr for n in tree if isinstance(n, ast.Attribute)}
