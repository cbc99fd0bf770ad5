"""README and docs say what is so: commands, flags, make targets, settings, limits, links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from handler.schemas import MAX_PAGE, MAX_SEEDS, MAX_TOP_K, RecommendRequest
from handler.settings import SETTINGS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = [
    *(ROOT / folder / "README.md" for folder in (".", "embed/sample", "infra", "k8s")),
    *sorted((ROOT / "docs").glob("*.md")),
]

COMMANDS = (
    *("import", "push", "pull", "list", "rollback"),
    *("info", "similar", "verify", "playlist", "similar-pairs", "publish"),
)


def commands(text: str) -> list[str]:
    """Every line that runs one of our modules or make, as a shell would see it."""
    found = re.findall(r"^\s*(?:\.venv/bin/)?(python -m (?:embed|export|handler).*)$", text, re.M)
    found += re.findall(r"^    (make .*)$", text, re.M)
    return [line.split("  #")[0].strip() for line in found]


@lru_cache
def help_of(*module: str) -> str:
    command = [sys.executable, "-m", *module, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


@pytest.mark.parametrize("command", sorted({c for d in DOCS for c in commands(d.read_text())}))
def test_documented_command_exists(command: str) -> None:
    words = shlex.split(re.sub(r"[\[\]|…]", " ", command), comments=True)
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        named = [word for word in words[1:] if "=" not in word]
        assert set(named) <= set(targets)
        return
    module = words[2:3]
    if module == ["embed"]:
        module.append(words[3] if words[3] in COMMANDS else "folder")
    text = help_of(*module)
    flags = [word for word in words if word.startswith("--")]
    assert [flag for flag in flags if flag not in text] == []


def test_both_commands_stand_in_the_first_thirty_lines() -> None:
    head = "\n".join(README.splitlines()[:30])
    for command in ("make demo", "make test", "-m export ", "-m embed ", "-m handler "):
        assert command in head


def test_settings_table_is_the_settings() -> None:
    rows = re.findall(r"^\| `(VIBE_\w+)` \| (?:`([^`]*)`)? *\| (.*) \|$", README, re.M)
    expected = [(one.name, one.default or "", one.description) for one in SETTINGS]
    assert rows == expected


def test_request_fields_are_documented() -> None:
    section = README.split("`POST /recommend` takes")[1].split("and answers")[0]
    documented = set(re.findall(r"`(\w+)`", section.replace("exclude_unmatched", "")))
    assert set(RecommendRequest.model_fields) <= documented


def test_documented_limits_are_the_limits() -> None:
    assert f"1 to {MAX_TOP_K}" in README
    assert f"up to {MAX_PAGE:,}" in README
    assert f"up to {MAX_SEEDS} whose" in README


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
