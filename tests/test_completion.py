"""Shell completion: what click's protocol answers, and bash itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.processes import REPOSITORY
from tests.serving import named_bundle
from tests.terminal import on_terminal

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")

PROGRAM = "import sys; from embed.__main__ import run; sys.argv[0] = 'vibe-embed'; run()"


def _complete(shell: str, words: str, at: int | str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COMP_WORDS": words,
             "COMP_CWORD": str(at), "_VIBE_EMBED_COMPLETE": f"{shell}_complete"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [line for line in run.stdout.splitlines() if line]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return named_bundle(tmp_path_factory.mktemp("completion") / "bundle")


def test_the_program_has_a_name_to_complete() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"vibe-embed": "embed.__main__:run"}


def test_commands_options_and_folders() -> None:
    commands = _complete("bash", "vibe-embed ", 1)
    assert {"plain,list", "plain,info", "plain,similar", "plain,verify"} < set(commands)
    assert _complete("bash", "vibe-embed ver", 1) == ["plain,verify"]
    assert _complete("bash", "vibe-embed info --j", 2) == ["plain,--json"]
    for command in ("list", "info", "similar", "verify"):
        assert _complete("bash", f"vibe-embed {command} ", 2) == ["dir,"]


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("daft", ["Daft\\ Punk\\ -\\ Get\\ Lucky", "Daft\\ Punk\\ -\\ One\\ More\\ Time"]),
        ("Daft\\ Punk\\ -\\ G", ["Daft\\ Punk\\ -\\ Get\\ Lucky"]),
        ("Queen\\ -\\ D", ["Queen\\ -\\ Don\\'t\\ Stop\\ Me\\ Now"]),
        ("BJÖ", ["Björk\\ -\\ Army\\ of\\ Me"]),
        ("Lucky", []),  # a word can only be gone on with
    ],
)
def test_songs_of_the_bundle(bundle: Path, begun: str, expected: list[str]) -> None:
    found = _complete("bash", f"vibe-embed similar {bundle} {begun}", 3)
    # click's script reads each line without -r, which takes one backslash of two.
    assert [line.replace("\\\\", "\\") for line in found] == [f"plain,{one}" for one in expected]


def test_other_shells_quote_themselves(bundle: Path) -> None:
    assert _complete("zsh", f"vibe-embed similar {bundle} moderat", 3) == [
        *("plain", "Moderat - A New Error", "_")
    ]
    # fish tells the word that is begun where others tell its number.
    assert _complete("fish", f"vibe-embed similar {bundle} mod", "mod") == [
        "plain,Moderat - A New Error"
    ]


def test_what_is_no_bundle_offers_nothing(tmp_path: Path) -> None:
    assert _complete("bash", f"vibe-embed similar {tmp_path}/none x", 3) == []
    assert _complete("bash", "vibe-embed similar s3://bucket/x x", 3) == []


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """An environment with ``vibe-embed`` on its path."""
    program = tmp_path / "vibe-embed"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}


@needs_bash
def test_in_bash_itself(bundle: Path, program: dict[str, str]) -> None:
    script = f"""
        eval "$(_VIBE_EMBED_COMPLETE=bash_source vibe-embed)"
        COMP_WORDS=(vibe-embed similar {bundle} Sig) COMP_CWORD=3
        _vibe_embed_completion vibe-embed
        printf '%s\\n' "${{COMPREPLY[@]}}"
        complete -p vibe-embed
        """
    run = subprocess.run(
        ["bash", "-c", script],
        env=program,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    reply, registered = run.stdout.splitlines()
    assert reply == "Sigur\\ Rós\\ -\\ Hoppípolla"
    assert registered.endswith("-F _vibe_embed_completion vibe-embed")


@needs_bash
def test_at_the_tab_key(bundle: Path, program: dict[str, str]) -> None:
    """On a terminal, as people type: what is offered is what the program is then given."""
    quiet = {"PS1": "$ ", "TERM": "dumb", "INPUTRC": os.devnull, "HISTFILE": "", "LANG": "C.UTF-8"}
    with on_terminal(["bash", "--norc", "--noprofile", "-i"], {**program, **quiet}) as bash:
        bash.type('eval "$(_VIBE_EMBED_COMPLETE=bash_source vibe-embed)"; echo do""ne\n')
        bash.wait_for("done\r\n")
        bash.type("vibe-embed ver\t")
        bash.wait_for("vibe-embed verify ")
        bash.type("--js\t")
        bash.wait_for("--json ")
        bash.type(f"{bundle.parent}/bun\t")
        bash.wait_for("/bundle")
        bash.type("\n")
        bash.wait_for('"is_whole":')
        bash.type(f"vibe-embed similar {bundle} Sig\t")
        bash.wait_for("Sigur\\ Rós\\ -\\ Hoppípolla ")
        bash.type("-k 1 --json\n")
        bash.wait_for('"Sigur Rós - Hoppípolla"')


def test_the_project_can_be_installed() -> None:
    """pip reads these files for it, and refuses what is no package: ``-c``, ``-r``."""
    dynamic = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"][
        "dynamic"
    ]
    files = [*dynamic["dependencies"]["file"]]
    for extra in dynamic["optional-dependencies"].values():
        files += [extra["file"]] if isinstance(extra["file"], str) else extra["file"]
    assert len(files) >= 3
    for file in files:
        for line in (REPOSITORY / file).read_text().splitlines():
            if text := line.partition("#")[0].strip():
                Requirement(text)
