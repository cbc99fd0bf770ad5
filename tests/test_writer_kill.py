"""A bundle's writer killed at any step, and read while it writes."""

from __future__ import annotations

import json
import shutil
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest

from embed.bundle import load_bundle, open_bundle
from embed.writer import BundleWriter
from tests.bundles import change, content_of, hidden, load, read, tree
from tests.processes import python, start_python


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[str, list[Path]]:
    """What ``tests.bundles`` left: writers killed at every step, their successors too."""
    work = tmp_path_factory.mktemp("killed")
    change(work / "old", 1)
    done = python("-m", "tests.bundles", work)
    assert done.returncode == 0, done.stderr
    return {key: [Path(root) for root in roots] for key, roots in json.loads(done.stdout).items()}


@pytest.mark.parametrize(("who", "fewest"), [("change", 30), ("finish", 50)])
def test_a_kill_at_any_step_leaves_the_old_bundle_or_the_new(killed, who, fewest):
    roots = killed[who]
    assert len(roots) >= fewest, "too few steps: the kills miss what the writer does"
    contents = []
    for root in roots:
        before = tree(root)
        contents.append(read(open_bundle(root)))
        assert tree(root) == before, "reading must work where nothing can be written"
    if who == "change":
        assert contents == sorted(contents), "once new, always new"
        assert contents[0] == 1
        assert contents.count(1) > 10
        assert contents.count(2) > 10
    else:
        assert set(contents) == {2}, "what was committed stays"


@pytest.mark.parametrize("who", ["change", "finish"])
def test_the_next_writer_tidies_up_and_goes_on(killed, who, tmp_path):
    for number, dead in enumerate(killed[who][:: 1 if who == "change" else 7]):
        root = tmp_path / str(number)
        shutil.copytree(dead, root)
        content = read(open_bundle(root))
        with BundleWriter(root) as writer:
            assert writer.previous == open_bundle(root).manifest
        assert hidden(root) == {".lock"}
        assert read(open_bundle(root)) == content
        change(root, 3)
        assert read(open_bundle(root)) == 3
        assert hidden(root) == {".lock"}


def test_a_reader_sees_only_whole_bundles_while_a_writer_writes(tmp_path):
    change(tmp_path, 0)
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tests.bundles import change
        for i in range(60):
            change(Path(sys.argv[1]), 1 + i % 2)
            time.sleep(0.01)
    """)
    seen = []
    with start_python("-c", program, tmp_path) as writer:
        while writer.poll() is None:
            seen.append(content_of(*load_bundle(tmp_path, load)))
    assert writer.returncode == 0
    assert set(seen) >= {1, 2}
    assert sum(a != b for a, b in pairwise(seen)) >= 10
