"""Music and bundles in a bucket, embedded by ``--engine ray``: ``python -m tests.ray_bucket``.

For a network of its own: S3 (moto) is started in it. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from embed.store.connection import connect
from tests.processes import ENVIRONMENT, python
from tests.s3 import KEYS, moto

BUCKET = "vibe-ray"


def main() -> None:
    music, model, to = map(Path, sys.argv[1:])
    with moto() as address:
        here = {**KEYS, "AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true"}
        os.environ.update(here)
        ENVIRONMENT.update(here)
        client = connect()
        client.create_bucket(Bucket=BUCKET)
        for path in sorted(one for one in music.rglob("*") if one.is_file()):
            key = f"music/{path.relative_to(music).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        store = f"s3://{BUCKET}/bundles"
        run = python(
            *("-m", "embed", f"s3://{BUCKET}/music", "--to", store, "--model", model),
            *("--engine", "ray", "--workers", "1", "--work", to.parent / "work"),
        )
        pulled = python("-m", "embed", "pull", store, to)
        listed = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    keys = [found["Key"] for found in listed]
    print(
        json.dumps({"codes": [run.returncode, pulled.returncode], "told": run.stderr, "keys": keys})
    )


if __name__ == "__main__":
    main()
