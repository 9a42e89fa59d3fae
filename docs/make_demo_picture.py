"""Draw ``_static/demo.svg``: play the demo up to an hour at which much is going on, and take its picture there."""

import io
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
import attrs
from rich.console import Console

from taskwarden.cli.demo.feed import Line
from taskwarden.cli.demo.picture import Snapshot, picture
from taskwarden.cli.demo.provider import Provider
from taskwarden.cli.demo.script import SCRIPT
from taskwarden.cli.demo.show import perform
from taskwarden.cli.demo.stop import Stop
from taskwarden.cli.demo.story import StoryClock

HOUR: Final = 28.4
"""The token is revoked, and sites answer too late."""
WIDTH, HEIGHT = 112, 34
TARGET: Final = Path(__file__).parent / "_static" / "demo.svg"


@attrs.define(eq=False)
class Camera:
    """A screen that stops the demo at the hour, with the last snapshot in it."""

    stop: Stop
    snapshot: Snapshot | None = None

    def __enter__(self) -> Self:
        """Open the shutter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""

    def show(self, snapshot: Snapshot, news: Sequence[Line]) -> None:
        """Keep *snapshot*, and stop the demo if it is the one."""
        self.snapshot = snapshot
        self.stop.wanted = snapshot.elapsed >= HOUR


def main() -> None:
    """Play, draw, write."""
    camera, clock = Camera(Stop()), StoryClock()
    with Provider(SCRIPT, clock) as provider:
        anyio.run(partial(perform, provider, clock, camera, camera.stop))
    if camera.snapshot is None:
        raise SystemExit("The demo showed nothing.")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(picture(camera.snapshot, width=WIDTH, height=HEIGHT))
    svg = console.export_svg(title="taskwarden demo", unique_id="demo")
    # The reader's own monospaced font will do: a picture should not fetch one from somebody's server.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
