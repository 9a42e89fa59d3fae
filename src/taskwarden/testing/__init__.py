"""
The test kit: what a host tests its executors, policies and stores with.

``VirtualClock`` is time that a test moves, ``simulated`` a small world in it, ``simulate`` days of trouble from a seed.
``StoreConformance`` and ``AgreementMachine`` are for whoever writes a store, and ``builders`` says briefly what a store
is told. Names are imported when they are first used, since some need pytest or Hypothesis (the extra ``testing``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from taskwarden.testing.agreement import AgreementMachine as AgreementMachine
    from taskwarden.testing.clock import VirtualClock as VirtualClock
    from taskwarden.testing.conformance import StoreConformance as StoreConformance
    from taskwarden.testing.simulation import Simulation as Simulation
    from taskwarden.testing.simulation import simulate as simulate
    from taskwarden.testing.simulation import simulated as simulated

__all__ = ["AgreementMachine", "Simulation", "StoreConformance", "VirtualClock", "simulate", "simulated"]

_HOMES: Final = {
    "AgreementMachine": "agreement",
    "Simulation": "simulation",
    "StoreConformance": "conformance",
    "VirtualClock": "clock",
    "simulate": "simulation",
    "simulated": "simulation",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found  # asked for once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
