"""AWS's SDK."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from tests.classify import servers
from tests.classify.answers import Answer, documented
from tests.classify.raising.case import SHORT, Case, asking, calling, over


def _boto(service: str, url: str, act: Callable[[Any], object], timeout: float = 5, **keys: str) -> None:
    config = import_module("botocore.config").Config(
        retries={"max_attempts": 0},
        read_timeout=timeout,
        connect_timeout=timeout,
        proxies={},
        s3={"addressing_style": "path"},
    )
    secret = keys or {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    session = import_module("botocore.session").get_session()
    client = session.create_client(service, region_name="eu-central-1", endpoint_url=url, config=config, **secret)
    try:
        act(client)
    finally:
        client.close()


def _dynamo(url: str, timeout: float = 5) -> None:
    _boto("dynamodb", url, lambda client: client.get_item(TableName="table", Key={"id": {"S": "1"}}), timeout)


def _get_object(url: str) -> None:
    _boto("s3", url, lambda client: client.get_object(Bucket="bucket", Key="key"))


def _s3(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>As told</Message></Error>'
    return Answer(status=status, body=body.encode(), code="")


S3 = (
    (503, "SlowDown", "api_limit.rate"),
    (404, "NoSuchKey", "config_error.not_found"),
    (404, "NoSuchBucket", "config_error.not_found"),
    (403, "AccessDenied", "auth_error.forbidden"),
    (403, "InvalidAccessKeyId", "auth_error.invalid"),
    (403, "SignatureDoesNotMatch", "auth_error.invalid"),
    (403, "RequestTimeTooSkewed", "auth_error.invalid"),
    (400, "ExpiredToken", "auth_error.expired"),
    (412, "PreconditionFailed", "network_error.conflict"),
    (500, "InternalError", "network_error.upstream"),
)


def aws_cases() -> Iterator[Case]:
    for number, answer in enumerate(documented("aws")):
        yield Case(
            "botocore", f"answer {number}", answer.code, asking(_dynamo, answer), documentation=answer.documentation
        )
    for status, code, means in S3:
        yield Case("botocore", f"S3 answers {code}", means, asking(_get_object, _s3(status, code)))
    port = servers.closed_port()
    yield Case("botocore", "nobody listens", "network_error.refused", calling(_dynamo, f"http://127.0.0.1:{port}"))
    yield Case("botocore", "no such host", "network_error.dns", lambda _: _dynamo("http://no-such-host.invalid"))
    yield Case(
        "botocore",
        "a server that never answers",
        "network_error.timeout",
        over(servers.silent, lambda port: _dynamo(f"http://127.0.0.1:{port}", SHORT)),
    )
    yield Case(
        "botocore",
        "a server that hangs up",
        "network_error.reset",
        over(servers.hanging_up, lambda port: _dynamo(f"http://127.0.0.1:{port}")),
    )
    yield Case(
        "botocore",
        "a parameter of the wrong type",
        "config_error.payload",
        lambda web: _boto("dynamodb", web.url, lambda client: client.get_item(TableName=7)),
    )
    yield Case(
        "botocore",
        "half of a credential",
        "auth_error.missing",
        lambda web: _boto("dynamodb", web.url, lambda client: client.list_tables(), aws_access_key_id="x"),
    )
