"""What the release workflow's scripts are run with, and git for their repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

SERVE, EMBED = (f"sha256:{digit * 64}" for digit in "ab")
VARIABLES = {
    "REPOSITORY": "123456789012.dkr.ecr.us-east-1.amazonaws.com/vibe-search",
    "BUNDLES": "s3://vibe-search-123456789012-data/bundles",
    "REGION": "eu-west-1",
    "SERVE": SERVE,
    "EMBED": EMBED,
    "GH_TOKEN": "none",
}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
