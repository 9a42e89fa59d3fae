"""
A deterministic simulation of many runners over one store, and a virtual world for tests of one's own executors.

``simulate(seed)`` plays days of crashes, outages and jumping clocks, and judges; ``simulated`` is for hosts.
"""

from taskwarden.testing.simulation.checker import Violation, check_recovery, check_safety
from taskwarden.testing.simulation.faults import CALM, HARSH, Faults
from taskwarden.testing.simulation.host import SimulatedWorld, simulated
from taskwarden.testing.simulation.simulation import Mode, Report, Simulation, SimulationFailed, simulate

__all__ = [
    "CALM",
    "HARSH",
    "Faults",
    "Mode",
    "Report",
    "SimulatedWorld",
    "Simulation",
    "SimulationFailed",
    "Violation",
    "check_recovery",
    "check_safety",
    "simulate",
    "simulated",
]
