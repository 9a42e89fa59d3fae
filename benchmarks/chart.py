"""Draws the rates of several systems as bars into one SVG: what the docs show of ``postgres_peers``."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.table import Row

__all__ = ["bars", "draw"]

_OURS: Final = "#1f6f8b"
_OTHERS: Final = "#9aa5ab"
_RATE: Final = ": runs, "
"""Between the system and the load, in the rows that hold rates."""


def bars(rows: Iterable[Row]) -> dict[str, list[tuple[str, Row]]]:
    """Return the rates among *rows*: for each load the systems, the fastest first."""
    loads: dict[str, list[tuple[str, Row]]] = {}
    for row in rows:
        system, found, load = row.what.partition(_RATE)
        if found and row.unit == "runs/s":
            loads.setdefault(load, []).append((system, row))
    return {load: sorted(systems, key=lambda it: -it[1].median) for load, systems in loads.items()}


def draw(rows: Iterable[Row], path: Path) -> None:
    """
    Draw the rates among *rows* to *path*: medians as bars, least and most as a line, on a logarithmic scale.

    Raises:
        ValueError: There is no rate among them.
    """
    loads = bars(rows)
    if not loads:
        raise ValueError("no rate is among the figures: postgres_peers has some")
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "taskwarden", "font.family": "sans-serif"})
    heights = [len(systems) for systems in loads.values()]
    figure = Figure(figsize=(8, 0.42 * sum(heights) + 0.9 * len(heights)), layout="constrained")
    axes = figure.subplots(len(loads), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (load, systems) in zip(axes, loads.items(), strict=True):
        names = [name for name, _ in reversed(systems)]
        medians = [row.median for _, row in reversed(systems)]
        spread = [
            [row.median - min(row.values) for _, row in reversed(systems)],
            [max(row.values) - row.median for _, row in reversed(systems)],
        ]
        colours = [_OURS if name.lower() == "taskwarden" else _OTHERS for name in names]
        drawn = axis.barh(names, medians, xerr=spread, color=colours, ecolor="#444", height=0.7)
        axis.bar_label(drawn, labels=[f"{rate:,.0f}" for rate in medians], padding=6)
        axis.set_xscale("log")
        axis.set_title(load, loc="left", fontsize="medium")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("runs a second, logarithmic")
    axes[-1].margins(x=0.15)
    slowest = min(row.median for systems in loads.values() for _, row in systems)
    axes[-1].set_xlim(left=10 ** floor(log10(slowest)))
    figure.savefig(path, metadata={"Date": None, "Creator": None})
