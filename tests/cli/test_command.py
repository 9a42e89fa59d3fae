"""The command line, as a user starts it: a process of its own."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import taskwarden

SOURCE = Path(taskwarden.__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}}
    return {**kept, "PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8", **more}


def taskwarden_cli(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "taskwarden", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", env=environment(**more), timeout=50
    )


def without(package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a Python in which *package* cannot be imported."""
    program = textwrap.dedent(f"""
        import sys
        sys.modules[{package!r}] = None
        from taskwarden.cli import main
        main({list(arguments)!r})
    """)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, check=False, encoding="utf-8", env=environment(), timeout=50)


def test_the_version_is_that_of_the_package() -> None:
    assert taskwarden_cli("--version").stdout == f"taskwarden {taskwarden.__version__}\n"
    assert taskwarden_cli("version").stdout.startswith(f"taskwarden {taskwarden.__version__}, Python 3.")


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("click", ("--version",), "cli"),
        ("rich", ("demo",), "cli"),
        ("httpx", ("demo",), "demo"),
        ("starlette", ("demo",), "demo"),
        ("uvicorn", ("demo",), "demo"),
        ("trio", ("demo", "--backend", "trio"), "trio"),
    ],
)
def test_a_missing_extra_is_named_in_one_plain_line(package: str, arguments: tuple[str, ...], extra: str) -> None:
    ended = without(package, *arguments)

    assert ended.returncode == 1
    assert f'pip install "taskwarden[{extra}]"' in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_module_of_our_own_that_is_missing_is_no_missing_extra() -> None:
    ended = without("taskwarden.cli.demo.script", "demo")

    assert "Traceback" in ended.stderr
    assert "pip install" not in ended.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "4.9", "86400", "nan", "soon"])
def test_a_length_outside_of_the_bounds_is_refused_before_anything_starts(seconds: str) -> None:
    ended = taskwarden_cli("demo", "--seconds", seconds)

    assert ended.returncode == 2
    assert "--seconds" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_demo_plays_to_its_end_and_says_in_numbers_what_it_came_to(backend: str) -> None:
    ended = taskwarden_cli("demo", "--seconds", "6", "--backend", backend)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert "outage is over" in ended.stdout
    assert "hours in numbers" in ended.stdout
    called = re.search(r"all calls +\d+ +of (\d+) +\d+ +of (\d+)", ended.stdout)
    assert called is not None
    assert min(map(int, called.groups())) > 20
    assert " succeeded" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="one process cannot send another Ctrl-C there")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ctrl_c_ends_the_demo_with_the_summary_so_far(backend: str) -> None:
    command = [sys.executable, "-m", "taskwarden", "demo", "--seconds", "30", "--backend", backend]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment(PYTHONUNBUFFERED="1")
    )
    assert running.stdout is not None
    first = running.stdout.readline()
    running.send_signal(signal.SIGINT)
    rest, complaints = running.communicate(timeout=20)

    assert "rate limit" in first
    assert (running.returncode, complaints) == (0, "")
    assert "hours in numbers" in rest
    assert "outage" not in rest
