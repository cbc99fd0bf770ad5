"""Keeps libraries' chatter off the terminal, so that one clear line stays one clear line."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(active: bool) -> Iterator[None]:
    """Silence warnings, log lines and native libraries' standard error while ``active``.

    Progress of downloads stays. Set before torch or transformers are imported, as some
    warn at import.
    """
    if not active:
        yield
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
