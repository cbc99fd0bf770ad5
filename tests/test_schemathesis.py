"""Requests made of the OpenAPI document, good and bad: no 5xx, no status or body it does not tell.

schemathesis makes them of every route there is, against the service as it is wired.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.handlers import serving

MAX_EXAMPLES = 15
"""Of each route, beside those for every edge of every field: some 15 s for seven routes."""

# What must be refused is, also where the body is too long to be looked into.
_CONFIG = """
[checks]
negative_data_rejection.expected-statuses = [400, 404, 405, 413, 415, 422, 501, 503]
"""
_PROGRAM = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"


def test_every_answer_is_as_documented(sample_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_CONFIG)
    with serving("--bundle", str(sample_bundle), "--port", "0") as (_, host, port, _line):
        base = f"http://{host}:{port}"
        options = [
            *("run", f"{base}/openapi.json", "--url", base, "--seed", "1"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(MAX_EXAMPLES)),
            # A request may fit the schema and make no sense: an empty cursor, a song beside songs.
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--generation-database", "none", "--no-color"),
        ]
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *options],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert "Test cases:" in done.stdout
