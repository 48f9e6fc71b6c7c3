"""Entry point: `kmodtui` and `python -m kmodtui`."""

import sys

from kmodtui.cli import run


def main() -> int:
    """Run kmodtui with the arguments of this process; return the exit status."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
