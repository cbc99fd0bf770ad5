"""Keeps libraries' chatter off the terminal, so that one clear line stays one clear line, and
their idle threads off the cores."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(active: bool) -> Iterator[None]:
    """Silence warnings and log lines while ``active``; progress of downloads stays.

    To be entered before torch or transformers are imported: some warn at import.
    """
    # PyTorch's waiting threads spin by default: beside other work on as many cores as it
    # counts on, an export took 80 s instead of 43.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
