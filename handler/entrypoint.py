"""What the image starts: the API on a port or, where Lambda's runtime is, as its function."""

from __future__ import annotations

import os
import runpy
import sys

RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"
"""Set by Lambda (and its emulator) for every container it starts, and by nothing else."""


def main() -> None:
    """Become the one or the other; arguments are those of ``python -m handler``."""
    if RUNTIME_API in os.environ:
        sys.argv = ["awslambdaric", "handler.main.handler"]
        runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
    else:
        runpy.run_module("handler", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
