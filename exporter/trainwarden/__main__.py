"""``python -m trainwarden``: the same as the ``trainwarden`` command."""

from trainwarden.cli import main

if __name__ == "__main__":
    main()
