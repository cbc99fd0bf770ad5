"""The wiring: opens the bundle that VIBE_BUNDLE names and puts the API before it.

``handler.main:app`` is the ASGI application, ``handler.main.handler`` the Lambda function.
When there is nothing to serve, the process says why in one line and ends with code 2.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mangum import Mangum

from embed.bundle import Bundle, load_bundle
from embed.catalogue import Catalogue
from embed.errors import BundleError, VibeError
from embed.index import ExactIndex
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.store.cache import local_copy
from handler.app import create_app
from handler.service import About, Service
from handler.settings import read_settings

_DIGITS = 12
"""Of a digest, as people compare them by eye."""


def open_service(root: Path) -> Service:
    """A service over the songs of the bundle at ``root``.

    Raises BundleError when the bundle is absent, torn, without songs, or contradicts itself.
    """
    return load_bundle(root, _load)


def _load(bundle: Bundle) -> Service:
    manifest = bundle.manifest
    if manifest.spec is None:
        raise BundleError(f"{bundle.root}: holds no songs, add some with python -m embed")
    # Checksums take as long as everything else (0.2 s for 100,000 songs): side by side.
    with ThreadPoolExecutor() as pool:
        checks = [pool.submit(bundle.file, name) for name in (CATALOGUE_FILE, VECTORS_FILE)]
        catalogue = Catalogue(bundle.file(CATALOGUE_FILE, verify=False))
        index = ExactIndex(bundle.file(VECTORS_FILE, verify=False))
        for check in checks:
            check.result()
    if not len(catalogue) == len(index) == manifest.songs:
        raise BundleError(
            f"{bundle.root}: {len(catalogue)} songs in {CATALOGUE_FILE}, {len(index)} in "
            f"{VECTORS_FILE}, the manifest says {manifest.songs}"
        )
    if catalogue.spec_digest != manifest.spec.digest:
        raise BundleError(
            f"{bundle.root}: the songs' spec is {catalogue.spec_digest}, "
            f"the manifest says {manifest.spec.digest}"
        )
    model = manifest.model
    facts = model and {"id": model.id, "kind": model.kind, "precision": model.precision}
    about = About(
        model=facts or None,
        spec=manifest.spec.digest[:_DIGITS],
        bundle=manifest.version[:_DIGITS],
    )
    return Service(catalogue, index, about)


try:
    settings = read_settings(os.environ)
    service = open_service(local_copy(settings.bundle, settings.cache))
except (VibeError, OSError) as error:
    print(f"handler: {error}", file=sys.stderr)
    raise SystemExit(2) from None

app = create_app(service, settings.max_body_bytes)
# Lambda freezes a process between events: there is no start-up or shutdown to run.
handler = Mangum(app, lifespan="off")
