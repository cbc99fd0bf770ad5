"""The wiring: opens the bundle that VIBE_BUNDLE names and puts the API before it.

``handler.main:app`` is the ASGI application, ``handler.main.handler`` the Lambda function.
When there is nothing to serve, the process says why in one line and ends with code 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mangum import Mangum

from embed.bundle import Bundle
from embed.clips import PREVIEWS_FILE, Clips
from embed.errors import VibeError
from embed.index import Index
from embed.library import open_songs
from embed.mapfile import read_map
from embed.recordings import COMPARE_ALL
from embed.store.cache import local_copy
from handler.app import Feature, create_app
from handler.lists.files import Files
from handler.lists.routes import ListRoutes
from handler.operations.logs import configure_logs
from handler.operations.routes import Operations
from handler.previews.routes import Previews
from handler.service import About, Engine, Service
from handler.settings import Settings, read_settings
from handler.songmap.atlas import Atlas
from handler.songmap.routes import SongMap
from handler.sound.listener import Listener
from handler.sound.routes import Sound
from handler.words.moods import moods_of
from handler.words.routes import Words

_DIGITS = 12
"""Of a digest, as people compare them by eye."""


def open_service(root: Path, settings: Settings) -> tuple[Bundle, Service]:
    """The bundle at ``root``, and a service over its songs.

    Raises BundleError when the bundle is absent, torn, without songs, or contradicts itself,
    UnfitEngineError when the engine that the settings name holds another.
    """
    engine: Engine | None = None
    index: Index
    if settings.index is None:
        manifest, catalogue, index = open_songs(root)
    else:
        from handler.engine.milvus import open_engine  # noqa: PLC0415 - who has none, loads none

        manifest, catalogue, index, engine = open_engine(root, settings)
    assert manifest.spec is not None
    model = manifest.model
    facts = model and {"id": model.id, "kind": model.kind, "precision": model.precision}
    about = About(
        model=facts or None,
        spec=manifest.spec.digest[:_DIGITS],
        bundle=manifest.version[:_DIGITS],
    )
    # Nothing is fetched from an engine at the start: it may be down.
    compare_all = COMPARE_ALL if engine is None else 0
    return Bundle(root, manifest), Service(catalogue, index, about, compare_all, engine)


def to_look_at(bundle: Bundle, service: Service) -> list[Feature]:
    """The map of the bundle's songs and their clips, for the page. Raises BundleError."""
    version = bundle.manifest.version[:_DIGITS]
    # Not verified: clips are many times larger than all else, and read one by one.
    has_previews = PREVIEWS_FILE in bundle.manifest.files
    clips = Clips(bundle.file(PREVIEWS_FILE, verify=False)) if has_previews else None
    atlas = Atlas(service.library, read_map(bundle), version, has_previews)
    return [SongMap(atlas), Previews(service.library, clips, version)]


try:
    settings = read_settings(os.environ)
    configure_logs(settings.is_log_json, settings.access_log)
    bundle, service = open_service(local_copy(settings.bundle, settings.cache), settings)
    map_and_clips = to_look_at(bundle, service)
except (VibeError, OSError) as error:
    print(f"handler: {error}", file=sys.stderr)
    raise SystemExit(2) from None

operations = Operations(service.health(), settings.revision)
music_url, max_body_bytes = settings.music_url, settings.max_body_bytes
listener = Listener(bundle, settings.max_audio_s)
files = Files(music_url)
features: list[Feature] = [
    ListRoutes(service, files, max_body_bytes),
    Sound(
        service,
        listener,
        settings.max_audio_bytes,
        settings.audio_queue,
        metrics=operations.metrics.encoder("audio"),
        files=files,
    ),
    Words(service, moods_of(bundle, operations.metrics.encoder("text")), max_body_bytes, files),
    *map_and_clips,
]
app = create_app(service, max_body_bytes, features, music_url, operations)
# Lambda freezes a process between events: there is no start-up or shutdown to run.
handler = Mangum(app, lifespan="off")
