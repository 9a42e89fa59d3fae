"""The tables of all packs, merged for looking up: a later pack goes before an earlier one."""

from __future__ import annotations

import builtins
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from taskwarden.classify.evidence import Weight
from taskwarden.classify.pack import Meaning, Pack
from taskwarden.classify.text import Reader

__all__ = ["Index"]

Known = tuple[Weight, Meaning, str]
"""Weight, rule, and name of the class or pack that it came from."""
_SERVER: Final = Meaning("network_error.upstream")
_CLIENT: Final = Meaning("unknown.response")


class Index:
    """
    What is looked up.

    Args:
        packs: In the order of their weight, the last going first.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._classes: dict[str, tuple[Weight, Meaning]] = {}
        self.labels: dict[str, Known] = {}
        self.states: dict[str, Meaning] = {}
        self.replies: dict[str, Meaning] = {}
        self._statuses: dict[int, Meaning] = {}
        self._numbers: dict[str, Mapping[int, Meaning]] = {}
        self._smtp: set[str] = set()
        for pack in packs:
            self._take(pack)
        phrases = [(phrase, pack.name) for pack in reversed(packs) for phrase in pack.phrases]
        self._sentences = [(phrase, pack.name) for pack in reversed(packs) for phrase in pack.sentences]
        self.reader = Reader(
            phrases, self.labels, _AnyStatus(self), self.replies, _by_bare_name(self._classes | dict(_of_python(self)))
        )

    def _take(self, pack: Pack) -> None:
        for weight, table in pack.by_weight:
            self._classes |= {name: (weight, rule) for name, rule in table.items()}
        for weight, table in ((Weight.FAMILY, pack.families), (Weight.LABEL, pack.labels)):
            self.labels |= {label.lower(): (weight, rule, pack.name) for label, rule in table.items()}
        self.states |= pack.states
        self.replies |= pack.replies
        self._statuses |= pack.statuses
        for package in pack.packages:
            if pack.numbers:
                self._numbers[package] = ChainMap(dict(pack.numbers), dict(self._numbers.get(package, {})))
            if pack.replies:
                self._smtp.add(package)

    def of_class(self, cls: type) -> Known | None:
        """Return what the nearest class in the MRO of *cls* that the tables know tells; None: they know none."""
        for each in cls.__mro__:
            name = f"{each.__module__}.{each.__qualname__}"
            known = self._classes.get(name)
            if known is not None:
                return (*known, name)
        return None

    def of_status(self, status: int) -> Meaning | None:
        """Return what an HTTP status tells."""
        rule = self._statuses.get(status)
        if rule is None and 400 <= status <= 599:
            return _SERVER if status >= 500 else _CLIENT
        return rule

    def numbers_of(self, cls: type) -> Mapping[int, Meaning] | None:
        """Return the table of the numbers that exceptions of *cls* have as their first argument."""
        return self._numbers.get(_package(cls)) if self._numbers else None

    def speaks_smtp(self, cls: type) -> bool:
        """Tell whether exceptions of *cls* carry replies of a mail server."""
        return _package(cls) in self._smtp

    def sentences(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what a sentence in a response tells, the sharpest first."""
        lowered = text.lower()
        for phrase, name in self._sentences:
            if phrase.words in lowered and phrase.expression.search(text) is not None:
                yield phrase.code, f"{phrase.words!r} ({name})"
        for code, sign in self.reader.sharp(text):
            yield code, sign.removeprefix("text: ")


class _AnyStatus(Mapping[int, Meaning]):
    """The statuses as a mapping that has a rule for every one."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __getitem__(self, status: int) -> Meaning:
        rule = self._index.of_status(status)
        if rule is None:
            raise KeyError(status)
        return rule

    def __iter__(self) -> Iterator[int]:
        return iter(range(400, 600))

    def __len__(self) -> int:
        return 200


def _package(cls: Any) -> str:
    return str(cls.__module__).partition(".")[0]


def _of_python(index: Index) -> Iterator[tuple[str, tuple[Weight, Meaning]]]:
    """Yield what Python's own exceptions mean: those that the tables know only by a base, too."""
    for cls in vars(builtins).values():
        if isinstance(cls, type) and issubclass(cls, BaseException) and (known := index.of_class(cls)) is not None:
            yield f"builtins.{cls.__name__}", known[:2]


def _by_bare_name(classes: Mapping[str, tuple[Weight, Meaning]]) -> dict[str, tuple[Weight, Meaning]]:
    """Return what the bare names of classes mean, where all classes of that name mean the same."""
    found: dict[str, tuple[Weight, Meaning] | None] = {}
    for name, known in classes.items():
        bare = name.rpartition(".")[2]
        if known[0] in {Weight.FAINT, Weight.NEUTRAL}:
            continue
        before = found.get(bare, known)
        found[bare] = known if before is not None and before[1].code == known[1].code else None
    return {bare: known for bare, known in found.items() if known is not None}
