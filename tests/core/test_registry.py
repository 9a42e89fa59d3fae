"""Mistakes in executors are refused at registration, and the registry is left as it was."""

from datetime import timedelta
from typing import Any, Generic, TypeVar

import attrs
import pytest

from taskwarden.core.executor import BlockingTaskExecutor, RunContext, TaskExecutor
from taskwarden.core.outcome import JSON
from taskwarden.core.registry import ExecutorRegistry
from taskwarden.core.task import Task
from taskwarden.errors import DuplicateExecutor, MalformedExecutor, UnknownKind

P = TypeVar("P")


@attrs.frozen
class Site:
    url: str


class Fine(TaskExecutor[Site]):
    kind = "fine"

    async def execute(self, task: Task[Site], context: RunContext) -> None: ...


class AlsoFine(BlockingTaskExecutor[JSON]):
    kind = "also.fine"

    def run(self, task: Task[JSON], context: RunContext) -> None: ...


def variant(**attributes: Any) -> TaskExecutor[Any]:
    made: TaskExecutor[Any] = type("Variant", (Fine,), attributes)()
    return made


def test_an_executor_is_found_by_its_kind() -> None:
    fine, also = Fine(), AlsoFine()
    registry = ExecutorRegistry([fine, also])

    assert registry.executor("fine") is fine
    assert set(registry.kinds) == {"fine", "also.fine"}
    assert list(registry) == [fine, also]
    assert len(registry) == 2


def test_the_payloads_class_is_the_type_argument_also_through_a_subclass() -> None:
    class Finer(Fine):
        kind = "finer"

    assert (Fine.payload_type, Finer.payload_type, AlsoFine.payload_type) == (Site, Site, None)


def test_a_generic_executor_takes_the_payloads_class_from_its_subclass() -> None:
    class Fetch(TaskExecutor[P], Generic[P]):
        async def execute(self, task: Task[P], context: RunContext) -> None: ...

    class FetchSite(Fetch[Site]):
        kind = "fetch.site"

    assert (Fetch.payload_type, FetchSite.payload_type) == (None, Site)


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownKind, match="registered: 'fine'"):
        ExecutorRegistry([Fine()]).executor("fin")


def test_two_executors_of_one_kind_are_refused_and_the_first_stays() -> None:
    first = Fine()
    registry = ExecutorRegistry([first])

    with pytest.raises(DuplicateExecutor, match="already run by Fine, so Variant was not registered"):
        registry.add(variant())
    registry.add(first)
    assert registry.executor("fine") is first


class NotAsync(TaskExecutor[Any]):
    kind = "not.async"

    def execute(self, task: Task[Any], context: RunContext) -> None: ...  # type: ignore[override]


class OddRepr:
    """No attrs class: its repr is another in every process."""

    grace = None

    def next(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("executor", "problem"),
    [
        (Fine, "pass an instance: Fine()"),
        (object(), "is no TaskExecutor"),
        (variant(kind="no good"), "kind must"),
        (variant(kind=None), "kind must"),
        (NotAsync(), "execute is not async"),
        (variant(timeout=30), "timeout must be a timedelta"),
        (variant(timeout=timedelta(0)), "timeout must be at least"),
        (variant(max_running=0), "max_running must"),
        (variant(max_running=True), "max_running must"),
        (variant(payload_version=0), "payload_version must"),
        (variant(schedule=timedelta(minutes=15)), "give it an interval policy"),
        (variant(schedule=OddRepr), "give it an interval policy"),
        (variant(schedule=OddRepr()), "differs in every process"),
        (variant(failure_policy="standard"), "give it a failure policy"),
        (variant(resources="google"), "make it a tuple"),
        (variant(resources=(1,)), "make it a tuple"),
    ],
)
def test_a_malformed_executor_is_refused_with_what_to_correct(executor: Any, problem: str) -> None:
    registry = ExecutorRegistry()

    with pytest.raises(MalformedExecutor) as raised:
        registry.add(executor)

    assert problem in str(raised.value)
    assert len(registry) == 0


def test_the_optional_attributes_may_be_absent() -> None:
    registry = ExecutorRegistry([variant(timeout=None, max_running=None, schedule=None, failure_policy=None)])

    assert len(registry) == 1


def test_a_payload_of_an_older_version_is_upgraded_before_it_is_structured() -> None:
    class Upgrades(Fine):
        kind = "upgrades"
        payload_version = 3

        def upgrade(self, payload: JSON, version: int) -> JSON:
            return {"url": f"{payload} from {version}"}

    assert Upgrades().load("old", 1) == Site("old from 1")
    assert Upgrades().load({"url": "new"}, 3) == Site("new")
    assert Fine().load({"url": "kept"}, 9) == Site("kept")


def test_an_executor_says_nothing_of_its_failures_by_default_and_names_its_resources() -> None:
    executor = variant(resources=("google",))

    assert executor.classify(ValueError()) is None
    assert executor.resources_of(None) == ("google",)  # type: ignore[arg-type]
