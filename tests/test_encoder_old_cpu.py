"""A processor of 2013, emulated: AVX2, but neither AVX-512 nor VNNI."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import Encoder
from embed.mel import log_mel
from embed.spec import FrontEnd
from export.checkpoint import load_checkpoint
from export.convert import convert
from export.signals import synthetic_windows
from tests.probe import PATH, probe
from tests.processes import REPOSITORY

QEMU = shutil.which("qemu-x86_64")

emulated = pytest.mark.skipif(
    QEMU is None or platform.machine() != "x86_64",
    reason="no qemu-x86_64 (apt-get install qemu-user), or no x86-64 to start from",
)

CODE = """
import sys
sys.path[:0] = {path!r}
import numpy as np
from pathlib import Path
from embed.encoder import Encoder, int8_saturates
from embed.spec import FrontEnd
assert int8_saturates()
encoder = Encoder(Path({model!r}), FrontEnd())
np.save({out!r}, np.stack([encoder.embed(mel) for mel in np.load({mels!r})]))
"""


def test_the_probe_is_what_its_maker_makes() -> None:
    assert PATH.read_bytes() == probe().SerializeToString()


@emulated
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.999999), ("int8", 0.99999)])
def test_embeddings_are_those_of_a_new_one(precision: str, least: float, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(str(REPOSITORY / "export/sample_checkpoint"))
    model = convert(checkpoint, precision, tmp_path)
    # Silence (the worst where sums saturate), clicks, and music.
    windows = list(synthetic_windows(FrontEnd()).values())[::14]
    mels = np.stack([log_mel(window, FrontEnd()) for window in windows])
    np.save(tmp_path / "mels.npy", mels)
    code = CODE.format(
        path=[str(REPOSITORY), *sys.path],
        model=str(model),
        out=str(tmp_path / "out.npy"),
        mels=str(tmp_path / "mels.npy"),
    )
    interpreter = os.path.realpath(sys.executable)
    command = [str(QEMU), "-cpu", "Haswell", interpreter, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    here = np.stack([Encoder(model, FrontEnd()).embed(mel) for mel in mels])
    cosines = (np.load(tmp_path / "out.npy") * here).sum(axis=1)
    assert cosines.min() >= least
