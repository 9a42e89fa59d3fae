"""The commands, and what they take."""

from __future__ import annotations

import importlib
import math
import sys
from typing import Final

import click
from rich.console import Console

import taskwarden
from taskwarden.cli.extras import missing

__all__ = ["command"]

_SHORTEST: Final = 5.0
_LONGEST: Final = 3600.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(taskwarden.__version__, prog_name="taskwarden", message="%(prog)s %(version)s")
def command() -> None:
    """Recurring work against other people's APIs: per tenant, once, and never hammering a dead one."""


@command.command()
def version() -> None:
    """Print the version, and that of Python."""
    click.echo(f"taskwarden {taskwarden.__version__}, Python {sys.version.partition(' ')[0]}")


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is within any range, to click
        raise click.BadParameter("must be a number.", context, option)
    return value


@command.command()
@click.option(
    "--seconds",
    callback=_number,
    type=click.FloatRange(_SHORTEST, _LONGEST),
    default=45.0,
    show_default=True,
    help="How many hours of the story to play, each in a second; what goes wrong is stretched to it.",
)
@click.option(
    "--backend",
    type=click.Choice(["asyncio", "trio"]),
    default="asyncio",
    show_default=True,
    help="The event loop that Taskwarden runs in.",
)
def demo(seconds: float, backend: str) -> None:
    """
    Show Taskwarden at work against a provider that misbehaves.

    Three tenants call a real HTTP server on this machine. It limits rates, goes down, revokes a token, answers
    slowly and runs out of quota. A table shows what becomes of the tasks, and numbers at the end show what that
    saved against a plain loop that runs beside it. An hour of the tasks' time passes in a second, so that policies
    and schedules are those of production. Ctrl-C ends it early.
    """
    try:
        from taskwarden.cli.demo.show import play  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise click.ClickException(missing(error, "demo", "The demo")) from error
    try:
        importlib.import_module(backend)
    except ModuleNotFoundError as error:
        raise click.ClickException(missing(error, "trio", "--backend trio")) from error
    if hasattr(sys.stdout, "reconfigure"):
        # Some consoles and pipes have no bullets and bars: better a question mark than a traceback.
        sys.stdout.reconfigure(errors="replace")
    play(seconds, backend=backend, console=Console(highlight=False))


@command.command()
@click.argument("url")
@click.option("--prefix", default="tw_", show_default=True, help="What the names of the tables begin with.")
@click.option("--schema", help="The schema of the tables, or on MariaDB their database.  [default: the connection's]")
@click.option("--check", is_flag=True, help="Change nothing; end with status 1 if there is something to do.")
@click.option("--sql", "as_sql", is_flag=True, help="Connect to nothing; print what would be done, as SQL.")
@click.option("--since", metavar="REVISION", help="With --sql: the revision that the tables have.  [default: none]")
@click.option("--row-level-security", "secured", is_flag=True, help="PostgreSQL: let the database keep tenants apart.")
@click.option(
    "--runner-role",
    default="taskwarden_runner",
    show_default=True,
    help="With --row-level-security: the role that sees all tenants, as do its members. It must be there.",
)
def migrate(
    *,
    url: str,
    prefix: str,
    schema: str | None,
    check: bool,
    as_sql: bool,
    since: str | None,
    secured: bool,
    runner_role: str,
) -> None:
    """
    Create the tables of the store at URL, or bring them to the schema of this version.

    Run it before you roll a new version out: runners of the version before go on meanwhile. Two of them at the same
    time do no harm. A URL that says tw_prefix and tw_schema needs no options.
    """
    from taskwarden.cli.migrate import run  # noqa: PLC0415 - brings SQLAlchemy and Alembic, which others spare

    role = runner_role if secured else None
    run(url, prefix=prefix, schema=schema, check=check, as_sql=as_sql, since=since, runner_role=role)
