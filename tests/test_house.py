"""The house keeps its own rules: what can be read off the source and the import system."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskwarden

PACKAGE = Path(taskwarden.__file__).parent
PURE = ("core", "policies", "classify")
OF_EXTRAS = {
    "asyncpg",
    "click",
    "greenlet",
    "httpx",
    "hypothesis",
    "psycopg",
    "pymysql",
    "pytest",
    "rich",
    "starlette",
    "trio",
    "uvicorn",
}
OF_DATABASES = {"alembic", "sqlalchemy", "sqlite3"}
MOST_LINES = 400


def modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def name(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def is_public(module: Path) -> bool:
    parts = (part.removesuffix(".py") for part in module.relative_to(PACKAGE).parts)
    return not any(part.startswith("_") for part in parts if part not in {"__init__", "__main__"})


def nodes(module: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(module.read_text(encoding="utf-8")))


def imported(module: Path) -> Iterator[str]:
    """Yield the first part of the name of everything that *module* imports."""
    for node in nodes(module):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(source), level=0):
                yield source.partition(".")[0]


def fresh_python(program: str, *arguments: str) -> str:
    """Run *program* in a new interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    return done.stdout.strip()


def test_neither_taskwarden_nor_any_name_in_it_imports_an_extra_or_anything_of_databases() -> None:
    loaded = fresh_python("""
import sys
before = set(sys.modules)
import taskwarden
for name in taskwarden.__all__:
    getattr(taskwarden, name)
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
""")

    assert set() == (OF_EXTRAS | OF_DATABASES) & set(loaded.split())


@pytest.mark.parametrize("pure", PURE)
def test_what_decides_imports_with_anyio_and_sqlalchemy_uninstalled(pure: str) -> None:
    failed = fresh_python(
        """
import importlib, pkgutil, sys, types

for absent in ("anyio", "sqlalchemy", "trio"):
    sys.modules[absent] = None
parent = types.ModuleType("taskwarden")  # without running its __init__, which imports the runner
parent.__path__ = [sys.argv[1]]
sys.modules["taskwarden"] = parent

part = importlib.import_module(f"taskwarden.{sys.argv[2]}")
for module in pkgutil.walk_packages(part.__path__, part.__name__ + "."):
    importlib.import_module(module.name)
""",
        str(PACKAGE),
        pure,
    )

    assert failed == ""


@pytest.mark.parametrize("pure", PURE)
def test_what_decides_never_asks_for_the_time(pure: str) -> None:
    asks = [
        f"{name(module)}:{node.lineno}: .{node.attr}"
        for module in modules(PACKAGE / pure)
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
        if isinstance(node.value, ast.Name | ast.Attribute)
        if ast.unparse(node.value).rpartition(".")[2] in {"datetime", "date"}
    ]

    assert asks == []


def test_nothing_imports_asyncio() -> None:
    assert [name(module) for module in modules() if "asyncio" in imported(module)] == []


def test_every_public_module_has_a_docstring() -> None:
    undocumented = [
        name(module)
        for module in modules()
        if is_public(module) and not ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    ]

    assert undocumented == []


def test_no_module_outgrows_what_a_reader_holds_in_mind() -> None:
    lengths = {name(module): len(module.read_text(encoding="utf-8").splitlines()) for module in modules()}

    assert {module: lines for module, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_exported_name_exists_and_is_public() -> None:
    exported = taskwarden.__all__

    assert [each for each in exported if each.startswith("_") or not hasattr(taskwarden, each)] == []


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
