"""``python -m taskwarden.classify report corpus.jsonl``: how good the classifier is, by recorded failures."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taskwarden.classify.classifier import Classifier
from taskwarden.classify.corpus import lines
from taskwarden.classify.pack import Pack
from taskwarden.classify.packs import PACKS
from taskwarden.classify.report import judge
from taskwarden.errors import InvalidValue

__all__ = ["main"]

_REFUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line with *arguments*, by default those of this process.

    Returns:
        0; 1 where less is right than ``--fail-under`` asks for, or text alone was found definitive; 2 where a file or a
        pack cannot be read.
    """
    asked = _parser().parse_args(arguments)
    try:
        classifier = Classifier(*PACKS, *(_pack(name) for name in asked.pack))
        corpus = [line for path in asked.corpus for line in lines(path.read_text(encoding="utf-8").splitlines())]
    except (InvalidValue, OSError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    report = judge(classifier, corpus)
    sys.stdout.write(f"{report}\n")
    right, total = report.right()
    return int(100 * right < asked.fail_under * total or bool(report.definitive_by_text))


def _pack(name: str) -> Pack:
    module, _, attribute = name.partition(":")
    pack = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(pack, Pack):
        raise InvalidValue("--pack", name, "must be module:NAME of a Pack")
    return pack


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m taskwarden.classify", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="judge the classifier by a corpus")
    report.add_argument(
        "corpus", nargs="+", type=Path, metavar="CORPUS", help="JSON lines, as taskwarden.classify.corpus says"
    )
    report.add_argument(
        "--pack", action="append", default=[], metavar="MODULE:NAME", help="a pack of your own, before those shipped"
    )
    report.add_argument(
        "--fail-under", type=float, default=0.0, metavar="PERCENT", help="exit with 1 if less is right than this"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
