"""
Draws the two tables of states as pages: `python docs/draw_states.py` writes them anew.

A test compares the pages with what this returns, so that no page can tell another story than the code.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from taskwarden.core import lifecycle
from taskwarden.core.health import Phase
from taskwarden.policies import transitions

HERE = Path(__file__).parent
WIDTH, HEIGHT, RADIUS = 760, 520, 190
BOX = (150, 40)
TIP = (
    '<marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">'
    '<path d="M0,0L9,4L0,8z" style="fill:#888"/></marker>'
)
Point = tuple[float, float]


def pages() -> dict[str, str]:
    """Return every generated file by its path within docs/."""
    moves = {(at.value, by.value): to.value for (at, by), to in lifecycle.TRANSITIONS.items()}
    phases = {(at.value, by.value): move.to.value for (at, by), move in transitions.TRANSITIONS.items()}
    return {
        "_static/lifecycle.svg": drawn([state.value for state in lifecycle.State], moves),
        "_static/phases.svg": drawn([phase.value for phase in Phase], phases),
        "reference/lifecycle.md": _lifecycle_page(),
        "reference/phases.md": _phases_page(),
    }


def _lifecycle_page() -> str:
    rows = [
        [f"`{state}`", *(_cell(lifecycle.TRANSITIONS.get((state, signal))) for signal in lifecycle.Signal)]
        for state in lifecycle.State
    ]
    return "\n".join(
        [
            "# Lifecycle of a task",
            "",
            "Made from `taskwarden.core.lifecycle.TRANSITIONS`, the one table that stores obey.",
            "What is not in it cannot happen: such a signal raises `IllegalTransition` and changes nothing.",
            "`paused` is a flag beside it, and the [phase](phases.md) is what the failure policy remembers.",
            "",
            "![The lifecycle as a diagram](../_static/lifecycle.svg)",
            "",
            *_table(["state", *(f"`{signal}`" for signal in lifecycle.Signal)], rows),
            "",
        ]
    )


def _phases_page() -> str:
    rows = []
    for signal in transitions.Signal:
        moves = [transitions.TRANSITIONS.get((phase, signal)) for phase in Phase]
        cells = ["" if move is None else f"{move.to.value}, {move.due.value}" for move in moves]
        rows.append([f"`{signal}`", *cells])
    return "\n".join(
        [
            "# Phases of a task",
            "",
            "Made from `taskwarden.policies.transitions.TRANSITIONS`, the one table that failure policies obey.",
            "A cell says where a signal leads, and by which rule the next run is due.",
            "The words are explained in [](../explanation/failure-policies.md).",
            "",
            "![The phases as a diagram](../_static/phases.svg)",
            "",
            *_table(["signal", *(f"`{phase}`" for phase in Phase)], rows),
            "",
        ]
    )


def _cell(state: lifecycle.State | None) -> str:
    return "" if state is None else state.value


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def drawn(states: Sequence[str], moves: Mapping[tuple[str, str], str]) -> str:
    """Return a diagram: states in a circle, an arrow for all signals that lead from one to another."""
    at = {
        state: (
            WIDTH / 2 + 1.3 * RADIUS * math.sin(2 * math.pi * number / len(states)),
            HEIGHT / 2 - RADIUS * math.cos(2 * math.pi * number / len(states)),
        )
        for number, state in enumerate(states)
    }
    signals: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (state, signal), to in moves.items():
        if to != state:
            signals[state, to].append(signal)
    arrows = [_arrow(at[state], at[to], names) for (state, to), names in signals.items()]
    boxes = [_box(at[state], state) for state in states]
    style = (
        "text{font:13px sans-serif;text-anchor:middle;dominant-baseline:middle;fill:#222}"
        ".signal,.halo{font-size:11px;fill:#555}.halo{stroke:#fff;stroke-width:4px}"
        "rect{fill:#eef3fb;stroke:#4a6fa5}path{fill:none;stroke:#888}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<style>{style}</style>",
            '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
            f"<defs>{TIP}</defs>",
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


def _box(at: Point, name: str) -> str:
    x, y = at[0] - BOX[0] / 2, at[1] - BOX[1] / 2
    box = f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="8"/>'
    return f'{box}<text x="{at[0]:.0f}" y="{at[1]:.0f}">{escape(name)}</text>'


def _arrow(start: Point, end: Point, signals: Sequence[str]) -> str:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    bend = (-dy / length * 34, dx / length * 34)  # to the right of the way there, so that two ways do not coincide
    middle = ((start[0] + end[0]) / 2 + bend[0], (start[1] + end[1]) / 2 + bend[1])
    a, b = _edge(start, middle), _edge(end, middle)
    control = (2 * middle[0] - (a[0] + b[0]) / 2, 2 * middle[1] - (a[1] + b[1]) / 2)
    path = f"M{a[0]:.0f},{a[1]:.0f}Q{control[0]:.0f},{control[1]:.0f} {b[0]:.0f},{b[1]:.0f}"
    lines = [", ".join(signals[row : row + 2]) for row in range(0, len(signals), 2)]
    top = middle[1] - 6.5 * (len(lines) - 1)
    texts = [
        f'<text class="{kind}" x="{middle[0]:.0f}" y="{top + 13 * row:.0f}">{escape(line)}</text>'
        for row, line in enumerate(lines)
        for kind in ("halo", "signal")
    ]
    return f'<path d="{path}" marker-end="url(#tip)"/>{"".join(texts)}'


def _edge(box: Point, towards: Point) -> Point:
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(
        (BOX[0] / 2 + 3) / abs(dx) if dx else math.inf,
        (BOX[1] / 2 + 3) / abs(dy) if dy else math.inf,
    )
    return box[0] + dx * scale, box[1] + dy * scale


def main() -> None:
    """Write the pages."""
    for path, text in pages().items():
        (HERE / path).write_text(text)


if __name__ == "__main__":
    main()
