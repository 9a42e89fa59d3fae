"""Every Python block of the pages and of README.md is run, in order, one namespace to a page.

A block may `await` at its top level; it then runs in an event loop of its own, so whatever it opens it also
closes. A block that cannot run has `<!-- skip: next "the reason" -->` above it, which a reader does not see.
"""

import ast
import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator, pad
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

Namespace = dict[str, Any]
ROOT = Path(__file__).parent.parent

# A busy machine is no fault of a page's.
settings.register_profile("pages", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pages")


class AwaitingEvaluator(PythonEvaluator):
    """Run a block, in an event loop if it awaits anything at its top level."""

    def __call__(self, example: Example) -> None:
        __tracebackhide__ = True
        source = pad(example.parsed, example.line + example.parsed.line_offset)
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, example.path, "exec", flags=flags, dont_inherit=True)

        async def run() -> None:
            await eval(code, example.namespace)  # noqa: S307  our own pages

        if code.co_flags & inspect.CO_COROUTINE:
            anyio.run(run)
        else:
            exec(code, example.namespace)  # noqa: S102  our own pages


class AwaitingBlockParser(PythonCodeBlockParser):
    """Find ```python blocks, and doctests within them."""

    def __init__(self) -> None:
        super().__init__()
        self.codeblock_parser = CodeBlockParser("python", AwaitingEvaluator())


class EmptyFolder:
    """Give each page an empty working folder, so that what its blocks write does not stay."""

    def enter(self, namespace: Namespace) -> None:
        """Go there before the first block."""
        namespace["__name__"] = "page"  # the __module__ of the classes that the page defines
        self.folder = tempfile.TemporaryDirectory()
        self.back = Path.cwd()
        os.chdir(self.folder.name)

    def leave(self, _: Namespace) -> None:
        """Come back after the last block."""
        os.chdir(self.back)
        self.folder.cleanup()


class Pages:
    """A plugin, since the hooks of this file are asked about this folder only, and README.md is above it."""

    def __init__(self) -> None:
        folder = EmptyFolder()
        self.pytest_collect_file: Callable[..., Any] = Sybil(
            parsers=[AwaitingBlockParser(), SkipParser()],
            patterns=["*.md"],
            excludes=["_build/*"],
            path=str(ROOT),
            setup=folder.enter,
            teardown=folder.leave,
        ).pytest()


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest ask Sybil about every page."""
    config.pluginmanager.register(Pages(), "taskwarden-pages")
