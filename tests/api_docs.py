"""docs/api.md: the requests in it, and whether an answer is the one that it shows.

After a block of ``sh`` with a curl stand the status, alone in a line, and a block with the answer:
``json`` or ``text``. In these ``…`` stands for any text; as the last of a list's texts, for more
of them. Numbers are of the kind shown, since they depend on songs and machines.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

_HOST = "localhost:8000"
_EXAMPLE = re.compile(
    r"^```sh\n(?P<command>curl .*?)^```\n+(?P<status>[1-5]\d\d)\n+"
    r"^```(?P<kind>\w+)\n(?P<shown>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_WITH_BODY = ("-d", "--data", "--data-raw", "--data-binary", "--json", "-F", "--form")


class Example(NamedTuple):
    command: str
    status: int
    kind: str
    shown: str

    @property
    def method(self) -> str:
        words = shlex.split(self.command)
        for option in ("-X", "--request"):
            if option in words:
                return words[words.index(option) + 1]
        return "POST" if any(word in _WITH_BODY for word in words) else "GET"

    @property
    def path(self) -> str:
        [url] = [word for word in shlex.split(self.command) if word.startswith(_HOST)]
        return url.removeprefix(_HOST).partition("?")[0]


class Answered(NamedTuple):
    status: int
    content_type: str
    body: bytes


def examples(text: str) -> list[Example]:
    """Every request in a Markdown ``text``. AssertionError when one has no answer beside it."""
    found = [
        Example(one["command"], int(one["status"]), one["kind"], one["shown"])
        for one in _EXAMPLE.finditer(text)
    ]
    assert len(found) == len(re.findall(r"^```sh\ncurl ", text, re.MULTILINE))
    return found


def run(example: Example, address: str, folder: Path) -> Answered:
    """Run the command in ``folder``, sent to ``address`` (host and port) instead."""
    body = folder / "answer"
    body.write_bytes(b"")
    script = example.command.strip().replace(_HOST, address)
    script += f" -s -o {shlex.quote(str(body))} -w '%{{http_code}} %{{content_type}}'"
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    status, _, content_type = done.stdout.partition(" ")
    return Answered(int(status), content_type, body.read_bytes())


def differences(example: Example, answered: Answered) -> list[str]:
    """How the answer is another than the one shown; empty when it is not."""
    if answered.status != example.status:
        return [f"status {answered.status}: {answered.body[:300]!r}"]
    text = answered.body.decode("utf-8", "replace")
    if example.kind == "json":
        return list(_differences(json.loads(example.shown), json.loads(text), "answer"))
    lines = text.splitlines()
    return [
        f"no line like {line!r}"
        for line in example.shown.splitlines()
        if not any(_is_like(line, one) for one in lines)
    ]


def _differences(shown: Any, found: Any, place: str) -> list[str]:
    if isinstance(shown, dict) and isinstance(found, dict):
        if shown.keys() != found.keys():
            return [f"{place}: {sorted(found)} instead of {sorted(shown)}"]
        return [
            line for key in shown for line in _differences(shown[key], found[key], f"{place}.{key}")
        ]
    if isinstance(shown, list) and isinstance(found, list):
        has_more = bool(shown) and shown[-1] == "…"
        expected = shown[:-1] if has_more else shown
        if len(found) < len(expected) or (len(found) > len(expected) and not has_more):
            return [f"{place}: {len(found)} entries instead of {len(expected)}"]
        pairs = zip(expected, found, strict=False)
        return [
            line
            for at, (one, two) in enumerate(pairs)
            for line in _differences(one, two, f"{place}[{at}]")
        ]
    if isinstance(shown, str) and isinstance(found, str):
        return [] if _is_like(shown, found) else [f"{place}: {found!r} instead of {shown!r}"]
    is_number = isinstance(shown, int | float) and not isinstance(shown, bool)
    same = type(shown) is type(found) if is_number else shown == found
    return [] if same else [f"{place}: {found!r} instead of {shown!r}"]


def _is_like(shown: str, found: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, found, re.DOTALL) is not None
