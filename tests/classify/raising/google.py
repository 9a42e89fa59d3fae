"""Google's SDKs, and gRPC."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from tests.classify import servers
from tests.classify.answers import documented
from tests.classify.raising.case import Act, Case, asking, calling
from tests.classify.servers import Web


def _googleapiclient(url: str) -> None:
    http, model = import_module("httplib2"), import_module("googleapiclient.http")
    client = http.Http(proxy_info=None, timeout=5)
    model.HttpRequest(client, lambda response, content: content, url).execute()


def _google_auth(url: str) -> None:
    credentials, transport = import_module("google.oauth2.credentials"), import_module("google.auth.transport.requests")
    with import_module("requests").Session() as session:
        session.trust_env = False
        made = credentials.Credentials(None, refresh_token="x", token_uri=url, client_id="x", client_secret="x")
        made.refresh(transport.Request(session))


def _api_core(url: str) -> None:
    with import_module("requests").Session() as session:
        session.trust_env = False
        raise import_module("google.api_core.exceptions").from_http_response(session.get(url, timeout=5))


def _api_core_retried(url: str) -> None:
    retry = import_module("google.api_core.retry")
    retry.Retry(initial=0.01, maximum=0.01, timeout=0.05)(_api_core)(url)


def _grpc(code: str) -> Act:
    def call(_: Web) -> None:
        grpc, futures = import_module("grpc"), import_module("concurrent.futures")

        def abort(request: bytes, context: Any) -> bytes:
            context.abort(getattr(grpc.StatusCode, code), "as told")
            return b""

        server = grpc.server(futures.ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(abort)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", {"Do": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
                channel.unary_unary("/test.Test/Do")(b"", timeout=5)
        finally:
            server.stop(None).wait()

    return call


def google_cases() -> Iterator[Case]:
    for number, answer in enumerate(documented("google")):
        yield Case(
            "google-api-python-client",
            f"answer {number}",
            answer.code,
            asking(_googleapiclient, answer),
            documentation=answer.documentation,
        )
        yield Case(
            "google-api-core",
            f"answer {number}",
            answer.code,
            asking(_api_core, answer),
            documentation=answer.documentation,
        )
    for number, answer in enumerate(each for each in documented("oauth") if each.status < 500):
        yield Case(
            "google-auth",
            f"OAuth answer {number}",
            answer.code,
            asking(_google_auth, answer),
            answer.code == "auth_error.revoked" or None,
            answer.documentation,
        )
    port = servers.closed_port()
    yield Case(
        "google-auth",
        "nobody listens",
        "network_error.refused",
        calling(_google_auth, f"http://127.0.0.1:{port}/"),
    )
    yield Case(
        "google-auth", "no such host", "network_error.dns", lambda _: _google_auth("http://no-such-host.invalid/")
    )
    yield Case("google-auth", "no credentials anywhere", "auth_error.missing", _no_default)
    yield Case(
        "google-api-core",
        "retried until the deadline",
        "network_error.upstream",
        lambda web: _api_core_retried(web.answering(503)),
    )
    yield Case(
        "google-api-python-client",
        "no such host",
        "network_error.dns",
        lambda _: _googleapiclient("http://no-such-host.invalid/"),
    )
    for code, means in RPC.items():
        yield Case("grpcio", code, means, _grpc(code))


RPC = {
    "RESOURCE_EXHAUSTED": "api_limit.rate",
    "UNAUTHENTICATED": "auth_error.expired",
    "PERMISSION_DENIED": "auth_error.forbidden",
    "NOT_FOUND": "config_error.not_found",
    "INVALID_ARGUMENT": "config_error.payload",
    "UNAVAILABLE": "network_error.upstream",
    "INTERNAL": "network_error.upstream",
    "DEADLINE_EXCEEDED": "network_error.timeout",
    "ABORTED": "network_error.conflict",
    "UNIMPLEMENTED": "config_error.unsupported",
}


def _no_default(_: Web) -> None:
    import_module("google.auth").load_credentials_from_file("/no/such/file.json")
