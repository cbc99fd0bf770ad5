"""AWS's Runtime Interface Emulator: the API as a Lambda function, without AWS."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.load import free_port

FOLDER = Path(sys.prefix) / "emulator/samcli/local/rapid"
"""Where make puts the wheel of aws-sam-cli, which carries the emulator."""

EVENTS = "/2015-03-31/functions/function/invocations"
_START_S = 30


def emulator() -> Path:
    """The emulator's binary for this machine; it may be absent."""
    arm = platform.machine() in ("aarch64", "arm64")
    return FOLDER / f"aws-lambda-rie-{'arm64' if arm else 'x86_64'}"


@contextmanager
def emulated(bundle: Path) -> Iterator[str]:
    """Run the function for a bundle; the emulator's address."""
    port = free_port()
    emulator().chmod(0o755)  # pip leaves a wheel's data not executable
    process = subprocess.Popen(
        [emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
         "--runtime-api-address", f"127.0.0.1:{free_port()}",
         sys.executable, "-m", "handler.entrypoint"],
        env=os.environ | {"VIBE_BUNDLE": str(bundle)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _listening(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the emulator (not yet the function) takes connections."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
        except urllib.error.HTTPError:
            return  # no such page: it answers
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"the emulator did not start (exit code {process.poll()})")
