"""``taskwarden migrate``: the tables of a store, created or brought to this version's schema."""

from __future__ import annotations

import sys
from functools import partial

import anyio
import click

from taskwarden.errors import TaskwardenError
from taskwarden.stores.sql.address import Options, address, masked
from taskwarden.stores.sql.migrations.revisions import OURS, Standing
from taskwarden.stores.sql.migrations.upgrade import upgrade_sql
from taskwarden.stores.sql.opening import migrate_at, standing_at

__all__ = ["run"]


def run(
    url: str,
    *,
    prefix: str,
    schema: str | None,
    check: bool,
    as_sql: bool,
    since: str | None,
    runner_role: str | None,
) -> None:
    """
    Do what ``taskwarden migrate`` says.

    Args:
        runner_role: Switch row-level security on, with this role seeing all tenants; None: leave it as it is.

    Raises:
        ClickException: In a line, what is wrong.
    """
    try:
        if as_sql:
            click.echo(_sql(url, prefix, schema, since, runner_role), nl=False)
            return
        shown = masked(address(url, Options())[0])
        if check:
            standing, revision = anyio.run(partial(standing_at, url, prefix=prefix, schema=schema))
            click.echo(f"{shown}: {_standing(standing, revision)}")
            sys.exit(standing in {Standing.MISSING, Standing.OLDER})
        applied = anyio.run(partial(migrate_at, url, prefix=prefix, schema=schema, runner_role=runner_role))
    except TaskwardenError as error:
        raise click.ClickException(str(error)) from error
    done = f"applied {', '.join(applied)}" if applied else f"nothing to do, it has schema {OURS.head.id}"
    click.echo(
        f"{shown}: {done}{'' if runner_role is None else f'; row-level security is on, {runner_role} sees all tenants'}"
    )


def _sql(url: str, prefix: str, schema: str | None, since: str | None, role: str | None) -> str:
    parsed, options = address(url, Options(prefix=prefix, schema=schema))
    known = [each.id for each in OURS.revisions]
    if since is not None and since not in known:
        raise click.BadParameter(f"must be one of {', '.join(known)}.", param_hint="--since")
    backend = parsed.get_backend_name()
    if role is not None and backend != "postgresql":
        raise click.BadParameter("needs PostgreSQL.", param_hint="--row-level-security")
    return upgrade_sql(backend, prefix=options.prefix, schema=options.schema, since=since, runner_role=role)


def _standing(standing: Standing, revision: str | None) -> str:
    head = OURS.head.id
    match standing:
        case Standing.MISSING:
            return f"no tables; this version would create schema {head}"
        case Standing.OLDER:
            return f"schema {revision}; this version would bring it to {head}"
        case Standing.CURRENT:
            return f"schema {revision}, as it should be"
        case _:
            return f"schema {revision}, newer than this version's {head}, which goes on with it"
