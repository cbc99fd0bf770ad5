"""What a run of the benchmarks leaves behind: tables, a JSON file, a plot per part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from tests.bench.measure import Part, Row

_HEAD = ("", "measured", "reference", "ratio", "fidelity")


def table(part: Part) -> str:
    """A Markdown table of the rows, and the notes below it."""
    lines = [
        (
            row.what,
            f"{row.value:,.4g} {row.unit}",
            "" if row.reference is None else f"{row.reference:,.4g} {row.unit}",
            "" if row.ratio is None else f"{row.ratio:.2f}×",
            row.fidelity,
        )
        for row in part.rows
    ]
    rows = tabulate(lines, _HEAD, "github", disable_numparse=True)
    notes = "".join(f"\n- {note}" for note in part.notes)
    return f"\n### {part.title}\n\n{rows}\n{notes}"


def save(head: str, parts: Sequence[Part], to: Path) -> None:
    """Write ``results.json`` and a PNG for each part that has figures."""
    to.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": head,
        "parts": [
            dataclasses.asdict(part)
            | {"rows": [dataclasses.asdict(row) | {"ratio": row.ratio} for row in part.rows]}
            for part in parts
        ],
    }
    (to / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    part = parts[-1]
    if part.rows:
        number = sum(other.name == part.name for other in parts)
        name = part.name if number == 1 else f"{part.name}-{number}"
        _plot(part, to / f"{name}.png", head)


def _plot(part: Part, to: Path, head: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    if part.growth:
        for name, points in part.growth.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel=part.axes[0], ylabel=part.axes[1])
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
    else:
        _bars(axes, [row for row in part.rows if row.unit == part.rows[0].unit])
    axes.set_title(part.title)
    figure.supxlabel(head, fontsize=6)
    figure.savefig(to, dpi=120)
    pyplot.close(figure)


def _bars(axes: object, rows: Sequence[Row]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    places = range(len(rows))
    axes.barh(places, [row.value for row in rows], label="measured")
    marked = [(place, row.reference) for place, row in zip(places, rows, strict=True)]
    for place, reference in marked:
        if reference is not None:
            axes.plot([reference] * 2, [place - 0.4, place + 0.4], color="black")
    labels = ["" if row.ratio is None else f" {row.ratio:.2f}×" for row in rows]
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        axes.text(row.value, place, label, va="center")
    axes.set_yticks(places, [row.what for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"{rows[0].unit}; the line is the reference")
    axes.margins(x=0.12)
