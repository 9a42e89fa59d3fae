"""
A store in a database: SQLite, PostgreSQL, or MariaDB and MySQL, through SQLAlchemy Core.

``open_store`` is what the entry points of ``taskwarden.stores`` name; ``open_at`` takes a host's engine, and options.
"""

from taskwarden.stores.sql.opening import open_at, open_store
from taskwarden.stores.sql.store import SqlStore

__all__ = ["SqlStore", "open_at", "open_store"]
