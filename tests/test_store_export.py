"""``python -m export`` to a store: the model is a version, and the songs follow it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from embed.bundle import open_bundle
from embed.store.pull import pull
from export.__main__ import main
from tests.checkpoints import SMALL_AUDIO, write_random_clap

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's and optimum's own


def test_a_model_for_a_store(tmp_path, bucket):
    checkpoint = write_random_clap(tmp_path / "clap", audio=SMALL_AUDIO)
    where = ["--to", bucket.url, "--work", str(tmp_path / "work")]
    result = CliRunner().invoke(main, ["--model", str(checkpoint), *where])
    assert result.exit_code == 0, result.output
    latest = bucket.store().latest().version
    assert result.output.splitlines()[-2:] == [
        f"{bucket.url}: latest is {latest[:12]}",
        f"{bucket.url}: ready",
    ]
    pull(bucket.store(), tmp_path / "b")
    assert open_bundle(tmp_path / "b").manifest.model.id == "clap"
    missing = CliRunner().invoke(main, ["--model", str(tmp_path / "none"), *where])
    assert missing.exit_code == 2
    assert bucket.store().latest().version == latest
    nowhere = CliRunner().invoke(main, ["--model", str(checkpoint), "--to", "s3:/x"])
    assert nowhere.exit_code == 2
    assert "expected a directory or s3://bucket/prefix" in nowhere.output
