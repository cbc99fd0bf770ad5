"""``python -m export`` in this process and beside it, what it says, and a CLAP for it to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from embed.bundle import open_bundle
from embed.manifest import TEXT_FILE, TOKENIZER_FILE, TextInfo
from embed.text import TextEncoder
from export.__main__ import main
from tests.checkpoints import SMALL_AUDIO, TINY_TEXT, write_random_clap, write_tokenizer

VOCABULARY = TINY_TEXT["vocab_size"]


def export(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, *expected: str) -> None:
    """Exit code 2, and one line that says all of ``expected``."""
    assert result.exit_code == 2, result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert [text for text in expected if text not in last] == []
    assert "Traceback" not in result.output


def run_with_hub(address: str, cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "no_proxy": "127.0.0.1",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-m", "export", *(str(argument) for argument in arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def write_clap(folder: Path, seed: int = 0) -> Path:
    """Both towers and a tokenizer, with the files of laion/clap-htsat-unfused."""
    write_random_clap(folder, seed, audio=SMALL_AUDIO, text=TINY_TEXT)
    return write_tokenizer(folder, VOCABULARY)


def text_of(root: Path) -> TextInfo:
    model = open_bundle(root).manifest.model
    assert model is not None
    assert model.text is not None
    return model.text


def encoder_of(root: Path) -> TextEncoder:
    bundle = open_bundle(root)
    return TextEncoder(bundle.file(TEXT_FILE), bundle.file(TOKENIZER_FILE))


def export_clap(checkpoint: Path, to: Path) -> Path:
    """Both its towers in a bundle."""
    result = export("--model", checkpoint, "--to", to, "--towers", "audio,text")
    assert result.exit_code == 0, result.output
    return to
