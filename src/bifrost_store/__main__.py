"""``python -m bifrost_store``: the command line, where its script is not on the path."""

from bifrost_store.cli.__main__ import main

if __name__ == "__main__":
    main()
