"""Servers on this machine that fail as they are told to: HTTP by script, and TCP byte by byte."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Headers = dict[str, str]
Talk = Callable[[socket.socket], None]


class Web:
    """An HTTP server; each answer has a path of its own, under which every request gets it."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Headers, bytes]] = []
        handler = type("Handler", (_Handler,), {"web": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answering(self, status: int, body: Any = None, headers: Headers | None = None) -> str:
        """Return the URL under which that is answered."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if not isinstance(body, bytes) else {"Content-Type": "text/html"}
        self.answers.append((status, kind | (headers or {}), content))
        return f"{self.url}/{len(self.answers) - 1}"


class _Handler(BaseHTTPRequestHandler):
    web: Web

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, content = self.web.answers[int(self.path.split("/")[1].split("?")[0])]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - as its base looks for them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base has it
        """Say nothing."""


@contextmanager
def web() -> Iterator[Web]:
    site = Web()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
        thread.join()


@contextmanager
def talking(talk: Talk) -> Iterator[int]:
    """Listen on a port, and treat each connection with *talk*; yields the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the client has gone
                talk(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def silent(connection: socket.socket) -> None:
    """Read, and never answer."""
    while connection.recv(65536):
        pass


def hanging_up(connection: socket.socket) -> None:
    """Read a request, and close."""
    connection.recv(65536)


def resetting(connection: socket.socket) -> None:
    """Read a request, and reset the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def truncating(connection: socket.socket) -> None:
    """Announce more than is sent."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")


def babbling(connection: socket.socket) -> None:
    """Speak no HTTP."""
    connection.recv(65536)
    connection.sendall(b"220 mail.example ESMTP\r\n")


def html(connection: socket.socket) -> None:
    """Answer with a page where JSON was asked for."""
    connection.recv(65536)
    page = b"<html><body>Down for maintenance</body></html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page)
    connection.sendall(head + page)


def smtp(*replies: bytes) -> Talk:
    """Greet, then answer each command with the next reply; the last one again and again."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")
        number = 0
        while connection.recv(65536):
            connection.sendall(replies[min(number, len(replies) - 1)] + b"\r\n")
            number += 1

    return talk


def postgres(state: str, message: str) -> Talk:
    """Answer the startup message of a PostgreSQL client with an ErrorResponse."""
    fields = f"SFATAL\0VFATAL\0C{state}\0M{message}\0\0".encode()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)

    return talk


def mysql(number: int, state: str, message: str) -> Talk:
    """Greet a MySQL client with an error packet."""
    payload = b"\xff" + number.to_bytes(2, "little") + f"#{state}{message}".encode()

    def talk(connection: socket.socket) -> None:
        connection.sendall(len(payload).to_bytes(3, "little") + b"\0" + payload)
        connection.recv(65536)

    return talk


def redis(answer: bytes) -> Talk:
    """Answer every command of a Redis client alike."""

    def talk(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            for _ in range(max(1, data.count(b"*"))):
                connection.sendall(answer + b"\r\n")

    return talk
