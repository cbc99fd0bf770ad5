"""What a process has loaded: nothing heavy that its work does not need."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from tests.processes import python

HEAVY = [
    *("onnxruntime", "soundfile", "av", "soxr", "mutagen", "torch", "transformers"),
    *("boto3", "botocore", "tokenizers", "huggingface_hub", "openTSNE", "sklearn", "scipy"),
    *("prometheus_client", "pythonjsonlogger", "usearch", "ray", "pyarrow", "pandas"),
    *("pymilvus", "grpc"),
]


def _loaded(program: str, **options: object) -> set[str]:
    """Which heavy modules are loaded once ``program`` has run, in a fresh interpreter."""
    whole = textwrap.dedent(program) + f"\nimport sys\nprint(*(set({HEAVY}) & set(sys.modules)))"
    run = python("-c", whole, **options)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


def _command(*arguments: str) -> str:
    return f"""
        import runpy, sys
        sys.argv = {["embed", *arguments]!r}
        try:
            runpy.run_module("embed", run_name="__main__")
        except SystemExit as stop:
            print("exit code", stop.code)
        """


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["folder", "--help"], ["import", "--help"]),
        *([command, "--help"] for command in ("push", "pull", "list", "rollback")),
        *([command, "--help"] for command in ("playlist", "similar-pairs", "publish")),
        *(["publish", "--milvus", "http://h:1"], ["publish", "x", "--milvus", "h:1"]),
        ["playlist", "x", "--from", "y"],
        *([command, "--help"] for command in ("info", "similar", "verify")),
        *(["x", "--to", "y", "--windows", "0"], ["push", "x", "s3:/y"], ["x", "--to", "s3://Y"]),
    ],
    ids=" ".join,
)
def test_help_and_wrong_use_load_nothing_heavy(arguments):
    assert _loaded(_command(*arguments)) == set()


def test_an_import_loads_no_decoder_and_no_model(tmp_path):
    np.savez(tmp_path / "x.npz", names=["A - B"], embeddings=np.ones((1, 512)))
    loaded = _loaded(_command("import", str(tmp_path / "x.npz"), "--to", str(tmp_path / "b")))
    assert (tmp_path / "b/manifest.json").exists()
    assert loaded <= {"mutagen"}


def test_the_api_starts_without_decoder_and_model(tmp_path):
    test_an_import_loads_no_decoder_and_no_model(tmp_path)
    loaded = _loaded(f"""
        import os
        os.environ["VIBE_BUNDLE"] = {str(tmp_path / "b")!r}
        import handler.main
        assert handler.main.handler and handler.main.app
        """)
    assert loaded == set()


def test_embedding_needs_neither_torch_nor_ffmpeg():
    loaded = _loaded("import embed.pipeline, embed.working")
    assert "onnxruntime" in loaded, "or the names looked for are wrong"
    assert not loaded & {"av", "torch", "transformers", "boto3", "botocore"}


def test_local_stores_need_no_boto3(tmp_path):
    test_an_import_loads_no_decoder_and_no_model(tmp_path)
    there = str(tmp_path / "store")
    for arguments in (
        ["push", str(tmp_path / "b"), there],
        ["pull", there, str(tmp_path / "c")],
        ["list", there],
    ):
        assert _loaded(_command(*arguments)) <= {"mutagen"}
    assert (tmp_path / "c/manifest.json").read_bytes() == (
        tmp_path / "b/manifest.json"
    ).read_bytes()


def test_questions_about_a_bundle_load_no_model(tmp_path):
    test_an_import_loads_no_decoder_and_no_model(tmp_path)
    for arguments in (
        *(["list"], ["info"], ["similar", "a"], ["verify"]),
        *(["playlist", "--song", "a"], ["similar-pairs"]),
    ):
        command, *rest = arguments
        assert _loaded(_command(command, str(tmp_path / "b"), *rest)) == set()


def test_the_first_scrape_loads_prometheus_and_no_start(tmp_path):
    test_an_import_loads_no_decoder_and_no_model(tmp_path)
    loaded = _loaded(f"""
        import os
        os.environ |= {{"VIBE_BUNDLE": {str(tmp_path / "b")!r}, "VIBE_LOG_FORMAT": "json"}}
        import handler.main
        handler.main.operations.exposition()
        """)
    assert loaded == {"prometheus_client", "pythonjsonlogger"}


def test_an_s3_store_where_boto3_is_missing_is_one_line(tmp_path):
    """As in the API's image, whose bundle is pulled when it is built."""
    program = f"""
        import sys
        sys.modules["boto3"] = sys.modules["tqdm"] = None
        import os
        os.environ |= {{"VIBE_BUNDLE": "s3://bucket/x", "VIBE_CACHE": {str(tmp_path)!r}}}
        import handler.main
        """
    run = python("-c", textwrap.dedent(program))
    assert run.returncode == 2
    assert run.stderr == ("handler: s3://bucket/x: boto3 is not installed; pip install boto3\n")
