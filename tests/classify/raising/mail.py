"""Mail and SSH."""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

from tests.classify import servers
from tests.classify.raising.case import Case, over

MAIL = (
    ("535 5.7.8 Username and Password not accepted", "login", "auth_error.invalid"),
    ("534 5.7.9 Application-specific password required", "login", "auth_error.invalid"),
    ("454 4.7.0 Too many login attempts, please try again later.", "login", "api_limit.rate"),
    ("530 5.7.0 Must issue a STARTTLS command first.", "send", "auth_error.missing"),
    ("421 4.7.28 Our system has detected an unusual rate of unsolicited mail", "send", "api_limit.rate"),
    ("550 5.4.5 Daily user sending limit exceeded.", "send", "api_limit.quota_daily"),
    ("550 5.1.1 The email account that you tried to reach does not exist.", "send", "config_error.not_found"),
    ("552 5.3.4 Message size exceeds fixed limit", "send", "config_error.payload"),
    ("554 5.7.1 Message rejected as spam", "send", "config_error.policy"),
    ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", "send", "api_limit.rate"),
    ("451 4.3.0 Mail server temporarily rejected message", "send", "network_error.upstream"),
    ("421 Service not available, closing transmission channel", "send", "network_error.upstream"),
)


def _smtp(port: int, step: str) -> None:
    import smtplib

    with smtplib.SMTP("127.0.0.1", port, timeout=2) as client:
        client.ehlo()
        if step == "login":
            client.login("x", "y")
        client.sendmail("a@example.org", ["b@example.org"], "hello")


def mail_cases() -> Iterator[Case]:
    for reply, step, code in MAIL:
        greeting = b"250-mail.example\r\n250 AUTH LOGIN PLAIN"
        talk = servers.smtp(greeting, reply.encode())
        yield Case("python", f"smtplib: {reply}", code, over(talk, partial(_smtp, step=step)))
    yield Case(
        "python",
        "smtplib: a server that hangs up",
        "network_error.reset",
        over(lambda connection: connection.close(), lambda port: _smtp(port, "send")),
    )
    yield Case(
        "python", "smtplib: nobody listens", "network_error.refused", lambda _: _smtp(servers.closed_port(), "send")
    )
    yield Case(
        "python",
        "smtplib: no AUTH offered",
        "config_error.unsupported",
        over(servers.smtp(b"250 mail.example"), lambda port: _smtp(port, "login")),
    )


def _paramiko(port: int) -> None:
    paramiko = import_module("paramiko")
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            port,
            "x",
            "wrong",
            timeout=2,
            banner_timeout=2,
            auth_timeout=5,
            allow_agent=False,
            look_for_keys=False,
        )


def _ssh_server(connection: Any) -> None:
    paramiko, threading = import_module("paramiko"), import_module("threading")

    class Refusing(paramiko.ServerInterface):  # type: ignore[name-defined, misc]  # known when it is imported
        def check_auth_password(self, username: str, password: str) -> Any:
            return paramiko.AUTH_FAILED

        def get_allowed_auths(self, username: str) -> str:
            return "password"

    transport = paramiko.Transport(connection)
    transport.add_server_key(paramiko.ECDSAKey.generate())
    transport.start_server(event=threading.Event(), server=Refusing())
    transport.join(5)


def ssh_cases() -> Iterator[Case]:
    yield Case("paramiko", "a wrong password", "auth_error.invalid", over(_ssh_server, _paramiko))
    yield Case("paramiko", "nobody listens", "network_error.refused", lambda _: _paramiko(servers.closed_port()))
    yield Case(
        "paramiko",
        "a server that hangs up",
        "network_error.reset",
        over(lambda connection: connection.close(), _paramiko),
    )
