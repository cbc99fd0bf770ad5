"""A node without a cloud: the scripts of ``infra/user_data`` between stand-ins."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from tests.terraforms import INFRA

USER_DATA = INFRA / "user_data"

# curl knows the instance's metadata, and copies what is asked for from $DOWNLOADS.
CURL = """
for last; do :; done
echo "curl $last" >> "$LOG"
case $last in
  */api/token) printf token ;;
  */meta-data/instance-id) printf i-0aaa ;;
  */meta-data/instance-life-cycle) printf spot ;;
  */meta-data/placement/availability-zone) printf us-east-1b ;;
  */meta-data/local-ipv4) printf 10.20.1.2 ;;
  *) while [ "$1" != -o ]; do shift; done; cp "$DOWNLOADS/${last##*/}" "$2" ;;
esac
"""
AWS = """
echo "aws $*" >> "$LOG"
case "$1 $2" in
  "ssm get-parameter") printf 'secret of %s\\n' "$4" ;;
  "s3api list-objects-v2") [ -n "${SNAPSHOTS+x}" ] || exit 254; printf '%b' "$SNAPSHOTS" ;;
  "ec2 describe-instances") case $4 in *i-0bbb) echo running ;; *i-0ccc) echo terminated ;; esac ;;
esac
"""
K3S = """
echo "k3s $*" >> "$LOG"
case "$1 $2" in
  "kubectl get") printf '%b' "$NODES" ;;
  "server --cluster-reset") case $3 in *bad*) exit 1 ;; esac ;;
esac
"""


class Machine:
    """A node without a cloud: a root folder, and programs that only write down what they do."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.downloads = folder / "downloads"
        self._log = folder / "log"
        programs = folder / "bin"
        for path in (self.root, self.downloads, programs):
            path.mkdir()
        _program(programs / "curl", CURL)
        _program(programs / "aws", AWS)
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ROOT": str(self.root),
            "LOG": str(self._log),
            "DOWNLOADS": str(self.downloads),
            "AWS_DEFAULT_REGION": "us-east-1",
            "SERVER_HOST": "server.vibe-search.internal",
            "SERVER_TOKEN": "/vibe-search/server-token",
            "AGENT_TOKEN": "/vibe-search/agent-token",
            "SNAPSHOT_BUCKET": "snapshots",
            "SNAPSHOT_MINUTES": "5",
            "DNS_ZONE": "Z1",
            "ADDRESS": "192.0.2.10",
            "ADDRESS_ID": "eipalloc-1",
        }

    def with_k3s(self) -> Machine:
        (self.root / "usr/local/bin").mkdir(parents=True)
        _program(self.root / "usr/local/bin/k3s", K3S)
        return self

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        self._log.write_text("")
        return subprocess.run(
            [USER_DATA / script],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, program: str) -> list[str]:
        """What ``program`` was called with in the last run."""
        lines = self._log.read_text().splitlines()
        return [line.removeprefix(f"{program} ") for line in lines if line.startswith(program)]

    def offer(self, name: str, content: bytes) -> dict[str, str]:
        """A file to download, as the two settings of it."""
        (self.downloads / name).write_bytes(content)
        return {
            "K3S_BINARY": f"https://example.org/v1%2Bk3s1/{name}",
            "K3S_SHA256": hashlib.sha256(content).hexdigest(),
        }


def _program(path: Path, body: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{body}")
    path.chmod(0o755)
