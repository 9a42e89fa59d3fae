"""
A PostgreSQL server of a test's own, which it may stop, restart and crash.

Theory: whatever becomes of the process that started it, the server must not outlive it, and `atexit` does not run on a
signal.
So a shell, the *keeper*, waits for the end of a pipe whose other end only we hold: the system closes it when we end, in
any way.
Then the keeper stops the server at once and removes its folder.
It is in a session of its own, as the server is, so that Ctrl-C at a terminal reaches the tests only.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

import attrs
import psycopg

from tests.databases.programs import NoPostgres, copied, first_usable, of_system, of_wheel

# Below the ports that systems hand out by themselves: none is taken by a connection while its server is down.
PORTS: Final = range(20_000, 32_000)
ATTEMPTS: Final = 5  # to find a port that no other process takes first
PATIENCE: Final = 60  # seconds for the server to start or stop
KEEPER: Final = 'read -r _; "$1" --pgdata "$2/data" --mode immediate stop 2>/dev/null; rm -rf "$2"'
SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off  # the tests crash the server, not the machine
full_page_writes = off
"""
DISCONNECT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def account() -> dict[str, Any]:
    """
    Say as whom PostgreSQL runs, in the words of `subprocess`: it refuses root; empty if as ourselves.

    Raises:
        NoPostgres: On a system without such accounts.
    """
    if os.name != "posix":
        raise NoPostgres("The tests start no PostgreSQL on this system: name a server in TASKWARDEN_TEST_POSTGRES")
    if os.geteuid() != 0:
        return {}
    import pwd

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return {"user": known[name].pw_uid, "group": known[name].pw_gid, "extra_groups": []}
    raise NoPostgres("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as")


def runs(program: Path, account: dict[str, Any]) -> bool:
    """Say whether *account* may run *program*."""
    try:
        return not subprocess.run(
            [program, "--version"], cwd="/", capture_output=True, check=False, **account
        ).returncode
    except OSError:
        return False


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at the moment."""
    for port in random.SystemRandom().sample(PORTS, k=100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoPostgres(f"None of 100 ports tried between {PORTS.start} and {PORTS.stop} is free")


@attrs.define(eq=False)
class PostgresServer:
    """
    A server on a port of its own of 127.0.0.1, with its data in a temporary folder.

    It is made stopped; as a context manager it runs, and is gone at the end.
    The user `postgres` may do everything without a password.
    A commit outlasts every way to stop it, but not a power cut.

    Args:
        programs: The folder of PostgreSQL's programs; this machine's, else the wheel's, unless said.

    Raises:
        NoPostgres: It cannot run here; nothing is left behind.
    """

    programs: Path = attrs.field(factory=lambda: first_usable(chain(of_system(), of_wheel())))
    port: int = attrs.field(init=False, default=0)
    folder: Path = attrs.field(init=False)
    _account: dict[str, Any] = attrs.field(init=False, factory=account)
    _keeper: subprocess.Popen[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # A temporary folder of root's may be closed to others.
        self.folder = Path(tempfile.mkdtemp(prefix="taskwarden-postgres-", dir="/tmp" if self._account else None))  # noqa: S108
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._make_reachable()
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "keeper", str(self.programs / "pg_ctl"), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                **self._account,
            )
            undo.callback(self.close)
            self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.write(SETTINGS)
            undo.pop_all()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of the server's database `postgres`: the same after a restart."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it takes connections; the port is chosen the first time."""
        if self.port:
            self._start()
            return
        for attempts_left in reversed(range(ATTEMPTS)):
            self.port = free_port()
            try:
                self._start()
            except NoPostgres:
                if not attempts_left:
                    raise
            else:
                return

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server and wait until it is gone: it cuts its connections, and *immediate* is a crash."""
        self._control("stop", f"--mode={'immediate' if immediate else 'fast'}")

    def restart(self, *, immediate: bool = False) -> None:
        """Stop the server, and start it again on its port."""
        self.stop(immediate=immediate)
        self.start()

    def cut_connections(self) -> None:
        """End every connection of a client from the server's side, while it goes on."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(DISCONNECT)

    def close(self) -> None:
        """Stop the server if it runs, and remove its folder; again, it does nothing."""
        atexit.unregister(self.close)
        self._keeper.communicate()

    def _start(self) -> None:
        # `--log` also takes the server's output off our pipes, which it would hold open.
        self._control("start", f"--options=-p {self.port}", f"--log={self.folder / 'log'}")

    def _control(self, order: str, *options: str) -> None:
        self._run("pg_ctl", order, "--wait", f"--timeout={PATIENCE}", *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments, f"--pgdata={self.folder / 'data'}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**kept, "LC_ALL": "C"},
            check=False,
            **self._account,
        )
        if done.returncode:
            log = self.folder / "log"
            told = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise NoPostgres(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}{told}")

    def _make_reachable(self) -> None:
        """Give the folder to the server's account, with a copy of the programs if it cannot run them where they are."""
        if not self._account:
            return
        if not runs(self.programs / "initdb", self._account):
            self.programs = copied(self.programs, self.folder / "programs")
        for each in (self.folder, *self.folder.rglob("*")):
            os.chown(each, self._account["user"], self._account["group"], follow_symlinks=False)
