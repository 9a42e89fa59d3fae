"""``python -m taskwarden``: the command line."""

from taskwarden.cli import main

if __name__ == "__main__":
    main()
