"""A store in a database: SQLite, PostgreSQL, or MariaDB and MySQL, through SQLAlchemy Core."""
