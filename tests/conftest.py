"""What every test module shares: hypothesis without chance, one small model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny_model import write_model_bundle

# The same examples on every run, and no time limit: machines that test are busy.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


@pytest.fixture(scope="session")
def model_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with the tiny model and no songs, for ``--model``. Not to be written to."""
    root = tmp_path_factory.mktemp("model") / "bundle"
    write_model_bundle(root)
    return root
