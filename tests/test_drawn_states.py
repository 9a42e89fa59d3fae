"""The pages that show states are made from the tables, and are up to date."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_pages_of_states_tell_what_the_tables_tell() -> None:
    spec = importlib.util.spec_from_file_location("draw_states", DOCS / "draw_states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    for path, text in module.pages().items():
        assert (DOCS / path).read_text() == text, f"docs/{path} is out of date: run python docs/draw_states.py"
