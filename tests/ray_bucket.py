"""Music and bundles in a bucket, embedded by ``--engine ray``: ``python -m tests.ray_bucket``.

For a network of its own: S3 (moto) is started in it. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from embed.cluster.shards import FOLDER
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
        first = embedded(model, to)
        shards = objects(client, f"bundles/{FOLDER}/")
        # Then by a machine that knows of nothing, into a store that has the shards alone.
        for key in objects(client, "bundles/").keys() - shards.keys():
            client.delete_object(Bucket=BUCKET, Key=key)
        again = embedded(model, to.with_name("again"))
        stayed = objects(client, f"bundles/{FOLDER}/") == shards
    print(json.dumps({"first": first, "again": again, "shards": [*shards], "stayed": stayed}))


def embedded(model: Path, to: Path) -> dict[str, object]:
    """The music to the store, from there to the bundle ``to``: exit codes, and what was said."""
    store = f"s3://{BUCKET}/bundles"
    run = python(
        *("-m", "embed", f"s3://{BUCKET}/music", "--to", store, "--model", model),
        *("--engine", "ray", "--workers", "1", "--work", to.parent / f"work for {to.name}"),
    )
    pulled = python("-m", "embed", "pull", store, to)
    return {"codes": [run.returncode, pulled.returncode], "told": run.stderr + pulled.stderr}


def objects(client: Any, prefix: str) -> dict[str, str]:
    """Keys, and when each was written."""
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {one["Key"]: str(one["LastModified"]) for one in found}


if __name__ == "__main__":
    main()
