"""Real libraries raise, against servers on this machine: what the classifier makes of the exceptions themselves."""

import json
import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import pytest

from taskwarden.classify import classify, examine
from taskwarden.classify.corpus import recorded, revived
from tests.classify import servers
from tests.classify.raising import Case, cases

pytestmark = [
    pytest.mark.slow,
    # Libraries warn of one another, and leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore"),
]
CASES = list(cases())


@pytest.fixture(scope="module")
def web() -> Iterator[servers.Web]:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    with servers.web() as site:
        yield site


def raised(case: Case, web: servers.Web) -> BaseException:
    """Return what the library of *case* raises; skips where it is not installed."""
    if case.library != "python":
        try:
            version(case.library)
        except PackageNotFoundError:
            pytest.skip(f"{case.library} is not installed: it is in the dependency group `sdks`")
    try:
        case.act(web)
    except ModuleNotFoundError as absent:
        pytest.skip(f"{case.library} needs {absent.name}, which is not installed: see the dependency group `sdks`")
    except BaseException as error:  # whatever it raises
        return error
    pytest.fail("it did not raise")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_a_library_raises_is_understood_also_when_it_was_recorded(case: Case, web: servers.Web) -> None:
    error = raised(case, web)

    verdict = examine(error)
    assert verdict.failure.code == case.code or verdict.failure.code.startswith(f"{case.code}."), verdict
    assert case.definitive in {None, verdict.failure.definitive}
    assert classify(error) == verdict.failure

    again = classify(revived(json.loads(json.dumps(recorded(error)))))
    assert (again.code, again.definitive, again.retry_after) == (
        verdict.failure.code,
        verdict.failure.definitive,
        verdict.failure.retry_after,
    )


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in CASES]

    assert len(names) == len(set(names))
