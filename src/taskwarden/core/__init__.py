"""
The core: pure values and rules. No I/O, no clock, no randomness, no event loop, no SQL.

In the order of the eight steps: ``task`` and ``protocols`` (due), ``claim`` (claimed), ``executor`` (executed),
``outcome`` and ``failure`` (outcome), ``health`` and ``decision`` (decision), ``claim.Completion`` (completed),
``change`` (event), ``record`` (history). ``lifecycle`` holds the one table of states.
"""
