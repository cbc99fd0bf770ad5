"""What every test module shares: hypothesis without chance, and fixtures of several."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from embed.sample.songs import write_songs
from embed.store.local import LocalObjects
from embed.store.versions import Store
from handler.asgi import App
from tests import clusters, milvus, s3
from tests.albums import Runs, write_album
from tests.exports import export_clap, write_clap
from tests.images import TAG, Engine, context_with
from tests.processes import python
from tests.relay import Relay, Upstream
from tests.services import app_of
from tests.serving import named_bundle
from tests.tiny_model import write_model_bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.pages import Answers

SAMPLE_SONGS = 24

# The same examples on every run, and no time limit: machines that test are busy.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def model_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with the tiny model and no songs, for ``--model``. Not to be written to."""
    root = tmp_path_factory.mktemp("model") / "bundle"
    write_model_bundle(root)
    return root


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short songs. Not to be written to."""
    return write_album(tmp_path_factory.mktemp("album"))


@pytest.fixture(scope="session")
def sample_music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 of the demo's songs. Not to be written to."""
    folder = tmp_path_factory.mktemp("sample") / "music"
    write_songs(folder, SAMPLE_SONGS)
    return folder


@pytest.fixture(scope="session")
def sample_bundle(sample_music: Path) -> Path:
    """These songs in a bundle, by the sample model. Not to be written to."""
    root = sample_music.parent / "bundle"
    run = python("-m", "embed", sample_music, "--to", root, "--previews")
    assert run.returncode == 0, run.stderr
    return root


@pytest.fixture(scope="session")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The songs of tests.clusters and their approximate index. Not to be written to."""
    return clusters.write(tmp_path_factory.mktemp("clustered") / "b", range(clusters.SONGS))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """The API over ``NAMES``."""
    return app_of(named_bundle(tmp_path_factory.mktemp("app") / "bundle"))


@pytest.fixture
def music(album: Path, tmp_path: Path) -> Path:
    """The album, as a test may change it."""
    return Path(shutil.copytree(album, tmp_path / "music"))


@pytest.fixture
def run(music: Path, tmp_path: Path, model_bundle: Path) -> Runs:
    """Runs of the pipeline from ``music`` to a bundle."""
    return Runs(music, tmp_path / "bundle", model_bundle)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The address of an S3 that is fast, and believes every checksum."""
    with s3.moto() as address:
        yield address


@pytest.fixture(scope="session")
def localstack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 that refuses what S3 refuses."""
    with s3.localstack(tmp_path_factory.mktemp("localstack")) as address:
        yield address


@pytest.fixture
def bucket(
    moto_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[s3.Bucket]:
    """An empty bucket on moto; the environment leads to it."""
    with s3.Bucket(moto_server, monkeypatch, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def strict_bucket(
    localstack_server: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[s3.Bucket]:
    """An empty bucket on LocalStack; the environment leads to it."""
    with s3.Bucket(localstack_server, monkeypatch, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(params=["local", "moto"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store: in a folder, and then in a bucket."""
    if request.param == "local":
        return Store(LocalObjects(tmp_path / "store"))
    return request.getfixturevalue("bucket").store()


@pytest.fixture(scope="session")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLAP, with both towers and a tokenizer. Not to be written to."""
    return write_clap(tmp_path_factory.mktemp("clap") / "clap")


@pytest.fixture(scope="session")
def clap_bundle(clap: Path) -> Path:
    """Both its towers, exported. Not to be written to."""
    return export_clap(clap, clap.parent / "bundle")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """What builds and runs images here."""
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle in ``image``."""
    return named_bundle(tmp_path_factory.mktemp("image") / "bundle")


@pytest.fixture(scope="session")
def jobs_image(engine: Engine) -> str:
    """The image of the cluster's Jobs."""
    with context_with({}) as context:
        done = engine.build(f"{TAG}-embed", context, target="embed")
    assert done.returncode == 0, done.stderr[-3000:]
    return f"{TAG}-embed"


@pytest.fixture(scope="session")
def image(engine: Engine, image_bundle: Path) -> str:
    """The image with a bundle from the build's context."""
    with context_with({"my-bundle": image_bundle}) as context:
        done = engine.build(TAG, context, "--build-arg", "BUNDLE=my-bundle")
    assert done.returncode == 0, done.stderr[-3000:]
    return TAG


@pytest.fixture(scope="module", params=milvus.SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upstream]:
    """Where a Milvus listens: Lite, and then the real one."""
    with milvus.SERVERS[request.param](tmp_path_factory.mktemp("milvus")) as found:
        yield found


@pytest.fixture
def relay(server: Upstream) -> Iterator[Relay]:
    """What leads to it, and can refuse or hang."""
    with Relay(server) as found:
        yield found


# tests.browser imports Playwright, without which the page's modules skip and the others run.
# A browser is a module's: while it runs, so does Playwright's event loop in the tests' thread.


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    from tests.browser import chromium

    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Answers]]:
    """The page's address, and what was asked there that is not by name."""
    from tests.browser import served
    from tests.pages import page_app

    app, answers = page_app()
    with served(app) as address:
        yield address, answers


@pytest.fixture
def page(browser: Browser, site: tuple[str, Answers]) -> Iterator[Page]:
    """The page, of which the browser may not complain."""
    from tests.browser import page_at

    with page_at(browser, site[0]) as found:
        yield found
