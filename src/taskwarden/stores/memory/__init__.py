"""
The memory store: the reference, for one process and one event loop. What it holds is gone when the process ends.

The parts, in the order in which a task meets them: ``row`` (what is held of it), ``timers`` (it waits for its time),
``turns`` (it is due, and waits for its tenant's turn), ``leases`` (it is claimed), ``completions`` (what became of it),
``history`` and ``feed`` (what is told of it). ``tables`` holds all of them together, and ``store`` is the face.
"""

from taskwarden.stores.memory.store import MemoryStore, open_store

__all__ = ["MemoryStore", "open_store"]
