"""Entry point: `kmodtui` and `python -m kmodtui`."""

import gc
import sys


def main() -> int:
    """Run kmodtui with the arguments of this process; return the exit status."""
    # Imported modules are never freed. Searching them for garbage takes a tenth of the start
    # time; `kmodtui.cli` enables it again when everything has been imported.
    gc.disable()
    from kmodtui.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
