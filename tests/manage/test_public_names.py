"""``import taskwarden``: the names that it promises, to readers, to type checkers and at run time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import taskwarden


def declared() -> dict[str, str]:
    """Return what a type checker is told: name to module."""
    assert taskwarden.__file__ is not None
    tree = ast.parse(Path(taskwarden.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("taskwarden")
        for alias in node.names
    }


def test_type_checkers_readers_and_the_interpreter_are_told_the_same_names() -> None:
    at_run_time = {name: f"taskwarden.{home}" for name, home in taskwarden._HOME_OF.items()}

    assert at_run_time == declared()
    assert sorted(taskwarden.__all__) == sorted(at_run_time)


@pytest.mark.parametrize("name", taskwarden.__all__)
def test_each_name_is_the_one_of_its_home(name: str) -> None:
    home = sys.modules[declared()[name]] if hasattr(taskwarden, name) else None

    assert getattr(taskwarden, name) is getattr(home, name)


def test_every_error_is_exported() -> None:
    from taskwarden import errors

    assert set(errors.__all__) <= set(taskwarden.__all__)


def test_a_name_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(AttributeError, match="module 'taskwarden' has no attribute 'Scheduler'"):
        taskwarden.Scheduler  # noqa: B018 - asking is the test


def test_the_names_are_listed_before_they_are_imported() -> None:
    assert set(taskwarden.__all__) <= set(dir(taskwarden))


def test_importing_taskwarden_alone_imports_nothing_that_is_installed_beside_it() -> None:
    program = """
import sys
before = set(sys.modules)
import taskwarden
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["taskwarden"]
