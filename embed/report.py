"""What a run of the pipeline did, and how people are told."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Failure:
    """A song that could not be embedded, and why."""

    key: str
    reason: str


@dataclass(slots=True)
class Report:
    """Counts of songs, and seconds: ``wall_s`` of the run, ``seconds`` of work by stage."""

    found: int = 0
    embedded: int = 0
    removed: int = 0
    in_bundle: int = 0
    changed: bool = False
    failures: list[Failure] = field(default_factory=list)
    without_preview: list[Failure] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    started: float = field(default_factory=time.perf_counter)
    wall_s: float = 0.0

    @property
    def unchanged(self) -> int:
        """Songs whose embeddings were there already."""
        return self.found - self.embedded - len(self.failures)

    def lines(self) -> list[str]:
        """The report as people read it; failures last, one a line."""
        lines = [
            f"{self.found} songs found: {self.embedded} embedded, {self.unchanged} already known, "
            f"{len(self.failures)} failed; {self.removed} removed",
        ]
        if self.in_bundle:  # else the bundle stays as it was, whatever it holds
            kept = "" if self.changed else ", which was up to date"
            lines.append(f"{self.in_bundle} songs in the bundle{kept}")
        if self.embedded:
            rate = self.embedded / self.wall_s
            lines.append(f"{self.wall_s:.1f} s, {rate:.2f} songs/s; work: {self._shares()}")
        else:
            lines.append(f"{self.wall_s:.1f} s")
        if self.failures:
            lines.append("failed:")
            lines.extend(f"  {failure.key}: {failure.reason}" for failure in self.failures)
        if self.without_preview:
            lines.append("without a preview:")
            lines.extend(f"  {one.key}: {one.reason}" for one in self.without_preview)
        return lines

    def _shares(self) -> str:
        total = sum(self.seconds.values()) or 1.0
        stages = sorted(self.seconds.items(), key=lambda stage: -stage[1])
        return ", ".join(f"{name} {s / total:.0%}" for name, s in stages)
