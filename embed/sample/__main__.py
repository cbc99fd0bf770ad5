"""``python -m embed.sample FOLDER`` writes the sample songs."""

from __future__ import annotations

import argparse
from pathlib import Path

from embed.sample.songs import DEFAULT_COUNT, DEFAULT_SEED, write_songs


def main() -> int:
    """Parses the arguments, writes the songs and says where they are."""
    parser = argparse.ArgumentParser(prog="python -m embed.sample", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the songs go; made if absent")
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    args = parser.parse_args()
    if args.count < 1:
        parser.error(f"--count is {args.count}, expected 1 or more")
    paths = write_songs(args.folder, args.count, args.seed)
    print(f"{len(paths)} sample songs in {args.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
