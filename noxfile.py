"""Every check and every errand of the project: `python3 -m nox -l` lists them."""

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.sessions = ["lint", "types", "imports", "docs", "tests"]
nox.options.default_venv_backend = "virtualenv"
# A version of Python that is not on this machine is passed over, in CI too: never downloaded, never an error.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = nox.project.python_versions(PROJECT)
PURE = "*/taskwarden/core/*,*/taskwarden/policies/*"

if sys.version_info < (3, 11):  # noqa: UP036  this file is read before anything checks the version
    sys.exit(f"Taskwarden needs Python 3.11 or later, and nox runs on {RUNNING}: try `python3.11 -m nox`.")


def show_pyenv_versions() -> None:
    """Let nox find what pyenv installed: a shim answers for the versions that are switched on only."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [str(folder) for folder in sorted(versions.glob("3.*/bin"))]
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])


show_pyenv_versions()


def install(session: nox.Session, *groups: str, package: str = ".") -> None:
    """Install dependency *groups* and, as a user would get it, the *package* with its extras."""
    session.install(*nox.project.dependency_groups(PROJECT, *groups), package)


@nox.session
def demo(session: nox.Session) -> None:
    """Show Taskwarden at work against a provider that misbehaves; e.g. `-- --seconds 20`."""
    install(session, package=".[demo]")
    session.run("taskwarden", "demo", *session.posargs)


# The version that runs nox comes first, listed or not: it is the one that is surely there.
@nox.session(python=[RUNNING, *(version for version in SUPPORTED if version != RUNNING)])
def tests(session: nox.Session) -> None:
    """Run the tests: all of them with coverage on the running Python, all but the slow on the others."""
    # SDKs on the running Python only: a newer one may have no wheels of them yet. Tests skip what is absent.
    sdks = ["sdks"] if session.python == RUNNING else []
    install(session, "tests", "postgres-server", *sdks, package=".[demo,mysql,postgres,testing,trio]")
    if session.posargs:
        session.run("pytest", *session.posargs)
    elif session.python == RUNNING:
        session.run("pytest", "--numprocesses=auto", "--cov", "--cov-report=")
        session.run("coverage", "report", f"--include={PURE}", "--fail-under=100")
    else:
        session.run("pytest", "--numprocesses=auto", "-m", "not slow")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy on everything, pyright on what a user of the library sees."""
    install(session, "types", "tests", "docs", "bench", package=".[demo,mysql,postgres,testing,trio]")
    session.run("mypy")
    session.run("basedpyright")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that the layers import downwards only."""
    install(session, "imports", package=".[demo,mysql,postgres,testing,trio]")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Run every code block of the pages, then build them; a warning is an error."""
    install(session, "docs", package=".[demo,mysql,postgres,testing,trio]")
    session.run("pytest", "docs", "README.md")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, side by side with others: `-- --help` tells what."""
    install(session, "bench", package=".[demo,mysql,postgres,testing,trio]")
    folders = {}
    for peer in ("apscheduler4", "pgqueuer", "procrastinate"):
        folders[peer.upper()] = folder = str(Path(session.create_tmp()) / peer)
        needed = nox.project.dependency_groups(PROJECT, f"bench-{peer}")
        session.install("--upgrade", "--target", folder, *needed)
    session.run("python", "benchmarks/run.py", *session.posargs, env=folders)
