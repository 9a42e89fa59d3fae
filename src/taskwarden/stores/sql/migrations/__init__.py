"""
The schema over time: ``revisions`` (which there are), ``versions`` (what each does), ``upgrade`` (doing it).

Nothing here imports Alembic but ``upgrade`` and what it loads: a store whose tables are there opens without it.
"""
