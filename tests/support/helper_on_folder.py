"""Runs the real helper on a folder instead of on /: `python -I -S helper_on_folder.py FOLDER`.

The helper has no option for that, and must not have one: what it works on is an
argument of its classes, and only `main` fills it in. It is loaded by its path,
so that nothing else of kmodtui is importable here either.
"""

import importlib.util
import os
import sys
from pathlib import Path

HELPER = Path(__file__).parents[2] / "kmodtui" / "privileged" / "helper.py"


def main() -> None:
    folder, idle, limit = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    spec = importlib.util.spec_from_file_location("helper", HELPER)
    assert spec is not None
    assert spec.loader is not None
    helper = importlib.util.module_from_spec(spec)
    sys.modules["helper"] = helper
    spec.loader.exec_module(helper)
    machine = helper.Machine(folder, "6.1.0-test", os.getuid())
    helper.Session(machine, 0, 1, idle, limit).run()


if __name__ == "__main__":
    main()
