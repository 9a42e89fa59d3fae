"""The demo's provider: real HTTP, misbehaving exactly as scripted. Time is set by hand."""

import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import attrs
import httpx
import pytest

from taskwarden.cli.demo.provider import Provider
from taskwarden.cli.demo.script import CALLER, SCRIPT, Endpoint, Fault, Misbehaviour, scripted
from taskwarden.cli.demo.story import HOUR
from taskwarden.testing.clock import VirtualClock


@attrs.frozen
class Stage:
    provider: Provider
    clock: VirtualClock
    client: httpx.Client

    def turn(self, at: float) -> None:
        self.clock.jump(self.provider.risen_at + at * HOUR - self.clock.now())

    def call(self, at: float, endpoint: Endpoint, tenant: str = "acme", grant: int = 1) -> httpx.Response:
        self.turn(at)
        headers = {"Authorization": f"Bearer {grant}", CALLER: "test"}
        return self.client.get(f"{self.provider.url}/{endpoint}/{tenant}", headers=headers)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    clock = VirtualClock()
    with Provider(SCRIPT, clock) as provider, httpx.Client(trust_env=False, timeout=10) as client:
        yield Stage(provider, clock, client)


def the(how: Misbehaviour) -> Fault:
    (fault,) = (fault for fault in SCRIPT.faults if fault.how is how)
    return fault


def middle(fault: Fault) -> float:
    return (fault.starts + fault.ends) / 2


@pytest.mark.parametrize("endpoint", list(Endpoint))
def test_a_provider_that_is_well_serves_every_endpoint(stage: Stage, endpoint: Endpoint) -> None:
    assert stage.call(0.0, endpoint).status_code == 200


def test_an_endpoint_that_the_provider_does_not_offer_is_not_found(stage: Stage) -> None:
    assert stage.client.get(f"{stage.provider.url}/teapot/acme").status_code == 404


def test_a_rate_limited_call_is_told_in_whole_seconds_when_to_come_back(stage: Stage) -> None:
    limit = the(Misbehaviour.RATE_LIMIT)

    refused = stage.call(limit.ends - 1.25, Endpoint.SEARCH)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4500")


def test_a_used_up_quota_names_the_instant_of_its_reset(stage: Stage) -> None:
    quota = the(Misbehaviour.QUOTA)

    refused = stage.call(quota.ends - 2, Endpoint.SEARCH)

    resets_at = datetime.fromisoformat(refused.json()["resets_at"])
    assert (refused.status_code, resets_at) == (429, stage.provider.risen_at + quota.ends * HOUR)


def test_a_quota_that_was_reset_serves_again_from_that_instant(stage: Stage) -> None:
    assert stage.call(the(Misbehaviour.QUOTA).ends, Endpoint.SEARCH).status_code == 200


def test_an_outage_leaves_alone_what_it_does_not_strike(stage: Stage) -> None:
    outage = middle(the(Misbehaviour.OUTAGE))

    answers = {endpoint: stage.call(outage, endpoint).status_code for endpoint in Endpoint}

    assert answers == {
        Endpoint.TOKEN: 503,
        Endpoint.SEARCH: 503,
        Endpoint.REPORT: 503,
        Endpoint.SITE: 200,
        Endpoint.MAIL: 200,
    }


def test_a_blip_breaks_the_connection_in_mid_answer(stage: Stage) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        stage.call(middle(the(Misbehaviour.BLIP)), Endpoint.MAIL)


def test_a_revoked_grant_is_refused_to_its_own_tenant_only(stage: Stage) -> None:
    revoked = the(Misbehaviour.REVOKED)
    assert revoked.tenant is not None

    refused = stage.call(middle(revoked), Endpoint.TOKEN, revoked.tenant)

    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_grant"})
    assert stage.call(middle(revoked), Endpoint.REPORT, revoked.tenant).status_code == 401
    assert stage.call(middle(revoked), Endpoint.TOKEN, "acme").status_code == 200


def test_a_revoked_grant_stays_refused_until_the_tenant_reconnects(stage: Stage) -> None:
    revoked = the(Misbehaviour.REVOKED)
    assert revoked.tenant is not None

    assert stage.call(revoked.ends + 1, Endpoint.TOKEN, revoked.tenant, grant=1).status_code == 400
    assert stage.call(revoked.ends + 1, Endpoint.TOKEN, revoked.tenant, grant=2).status_code == 200


def test_a_slow_answer_comes_after_the_callers_timeout(stage: Stage) -> None:
    stage.turn(middle(the(Misbehaviour.SLOW)))

    with pytest.raises(httpx.ReadTimeout):
        stage.client.get(f"{stage.provider.url}/{Endpoint.SITE}/acme", timeout=0.05)


def test_every_call_is_counted_with_what_it_met(stage: Stage) -> None:
    outage = the(Misbehaviour.OUTAGE)
    before = len(stage.provider.calls)

    stage.call(outage.starts - 1, Endpoint.SEARCH)
    stage.call(outage.starts, Endpoint.SEARCH)

    served, failed = stage.provider.calls[before:]
    assert (served.at, served.caller, served.tenant, served.endpoint, served.fault) == (
        outage.starts - 1,
        "test",
        "acme",
        Endpoint.SEARCH,
        None,
    )
    assert failed.fault == outage


def test_raising_the_curtain_again_begins_the_script_with_no_calls() -> None:
    clock = VirtualClock()
    with Provider(SCRIPT, clock) as provider:
        httpx.get(f"{provider.url}/mail/acme", trust_env=False)
        clock.jump(7 * HOUR)
        provider.restart()

        assert provider.elapsed == 0.0
        assert provider.calls == ()


def test_nothing_is_left_listening_or_running_after_the_end() -> None:
    before = threading.enumerate()
    with Provider(SCRIPT, VirtualClock()) as provider:
        address = urlsplit(provider.url)
        assert address.hostname is not None
        assert address.port is not None

    assert threading.enumerate() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=1).close()


def test_the_script_keeps_its_proportions_at_any_length() -> None:
    half = scripted(SCRIPT.length / 2)

    assert [(fault.starts * 2, fault.ends * 2) for fault in half.faults] == [
        (fault.starts, fault.ends) for fault in SCRIPT.faults
    ]
    assert half.length == SCRIPT.length / 2


def test_no_two_faults_strike_the_same_call_at_once() -> None:
    overlapping = [
        (one.how, other.how)
        for number, one in enumerate(SCRIPT.faults)
        for other in SCRIPT.faults[number + 1 :]
        if one.endpoints & other.endpoints
        if None in {one.tenant, other.tenant} or one.tenant == other.tenant
        if one.starts < other.ends and other.starts < one.ends
    ]

    assert overlapping == []
