"""``python -m embed playlist`` and ``similar-pairs`` as people run them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.smooth import between
from tests.processes import python
from tests.serving import random_vectors, song, write_bundle

NAMES = ["A - from", "B - one", "B - two", "B - three", "C - to", "Z - far (Live)", "Z - far"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    start, end, far = random_vectors(3)
    vectors = np.vstack([[start], between(start, end, 3), [end], [far], [-far]])
    songs = [song(name, f"music of {name[0]}/{name}.ogg") for name in NAMES]
    return write_bundle(tmp_path_factory.mktemp("cli") / "bundle", songs, vectors)


def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return python("-m", "embed", command, *arguments)


def test_a_playlist_goes_into_a_file(bundle: Path, tmp_path: Path) -> None:
    music, file = tmp_path / "music", tmp_path / "lists" / "mix.m3u8"
    file.parent.mkdir()
    (music / "music of A").mkdir(parents=True)
    (music / "music of A" / "A - from.ogg").touch()
    arguments = ["--from", "from", "--to", "c - to", "-n", 5, "--output", file, "--music", music]
    done = run("playlist", bundle, *arguments)
    assert done.returncode == 0
    assert [line.split("  ", 1)[1] for line in done.stdout.splitlines()] == [
        *("      A - from", "B - one", "B - two", "B - three", "C - to")
    ]
    assert done.stderr == f"4 of 5 songs are not in {music}\n"
    assert file.read_text().splitlines() == [
        "#EXTM3U",
        *(
            line
            for name in NAMES[:5]
            for line in (f"#EXTINF:200,{name}", f"../music/music of {name[0]}/{name}.ogg")
        ),
    ]
    assert (music / "music of A" / "A - from.ogg").samefile(
        file.parent / file.read_text().splitlines()[2]
    )
    assert [path.name for path in file.parent.iterdir()] == ["mix.m3u8"]


def test_a_player_opens_every_song_of_it(
    sample_bundle: Path, sample_music: Path, tmp_path: Path
) -> None:
    """Read as players do: by lines, those with # aside, and paths as seen from the file."""
    names = [
        one["name"] for one in json.loads(run("list", sample_bundle, "--json").stdout)["songs"]
    ]
    for place, more in ((tmp_path / "mix.m3u8", []), (sample_music / "mix.m3u8", ["--absolute"])):
        arguments = ["--from", names[0], "--to", names[-1], "-n", 8, "-o", place]
        assert (
            run("playlist", sample_bundle, *arguments, "--music", sample_music, *more).returncode
            == 0
        )
        lines = place.read_bytes().decode("utf-8").splitlines()
        place.unlink()
        assert lines[0] == "#EXTM3U"
        told = [line.removeprefix("#EXTINF:").partition(",") for line in lines[1::2]]
        assert [told[0][2], told[-1][2]] == [names[0], names[-1]]
        for (seconds, _, name), line in zip(told, lines[2::2], strict=True):
            song = soundfile.info(place.parent / line)
            assert int(seconds) == round(song.duration)
            assert name in names


def test_whole_paths_on_demand(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "mix.m3u8"
    arguments = ["--song", "from", "-n", 1, "-o", file, "--music", tmp_path / "m", "--absolute"]
    assert run("playlist", bundle, *arguments).returncode == 0
    assert file.read_text().splitlines()[2] == f"{tmp_path}/m/music of B/B - one.ogg"


def test_without_a_file_it_goes_to_standard_output(bundle: Path) -> None:
    done = run("playlist", bundle, "--song", "from", "--song", "one", "--max-per-artist", 1)
    assert done.returncode == 0
    assert done.stdout.startswith("#EXTM3U\n#EXTINF:200,B - two\nmusic of B/B - two.ogg\n")
    assert done.stdout.count("#EXTINF:200,B - ") == 1
    assert "B - two\n" in done.stderr
    assert done.stderr.endswith("songs; there are no more that fit\n")


def test_songs_that_are_not_wanted(bundle: Path) -> None:
    arguments = ["--exclude", "two", "--not-like", "far", "--exclude", "nobody"]
    done = run("playlist", bundle, "--song", "from", *arguments, "--diversity", 0.5)
    assert "--exclude 'nobody': no song is named so" in done.stderr
    assert done.stdout.splitlines()[1::2] == [
        *("#EXTINF:200,B - one", "#EXTINF:200,B - three", "#EXTINF:200,C - to"),
        "#EXTINF:200,Z - far (Live)",
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "expected --from and --to, or --song"),
        (["--from", "a"], "expected --from and --to, or --song"),
        (["--from", "a", "--to", "b", "--song", "c"], "expected --from and --to, or --song"),
        (["--from", "a", "--to", "b", "-n", "1"], "--count: 1, expected 2 or more"),
        (["--from", "a", "--to", "b", "--diversity", "1"], "--diversity: expected with --song"),
        (["--song", "a", "--absolute"], "--absolute: expected with --music"),
        (["--song", "a", "-n", "101"], "101 is not in the range"),
        (["--from", "from", "--to", "a - from"], "are one recording, expected two"),
        (["--song", "qqqqq"], "error: no song is named like 'qqqqq'; perhaps '"),
        (["--song", "from", "-o", "/nowhere/x.m3u8"], "error: /nowhere"),
    ],
)
def test_wrong_use_is_2_and_one_line(bundle: Path, arguments: list[str], error: str) -> None:
    done = run("playlist", bundle, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_pairs_for_people_and_for_programs(bundle: Path) -> None:
    done = run("similar-pairs", bundle)
    assert done.stdout.splitlines() == [
        "version   -1.0000  Z - far | Z - far (Live)",
        "    music of Z/Z - far.ogg",
        "    music of Z/Z - far (Live).ogg",
    ]
    [pair] = map(json.loads, run("similar-pairs", bundle, "--json").stdout.splitlines())
    assert pair == {
        "kind": "version",
        "similarity": -1.0,
        "songs": [
            {"song": name, "path": f"music of Z/{name}.ogg", "duration_s": 200.5}
            for name in ("Z - far", "Z - far (Live)")
        ],
    }
    assert run("similar-pairs", bundle, "--kind", "same").stdout == ""
