"""
The demo: three tenants against a real HTTP provider that misbehaves on a script, beside a plain loop.

Read in this order: ``story`` (whose hours are seconds), ``script`` (what goes wrong, when), ``provider`` (who does
it), ``work`` (the calls that the tenants need made), ``executors`` and ``tasks`` (the same as Taskwarden runs it),
``control`` (the same as a plain loop runs it), ``feed``, ``picture`` and ``screen`` (what one sees), ``summary`` and
``report`` (what it came to), ``stage`` and ``show`` (all of it together).
"""
