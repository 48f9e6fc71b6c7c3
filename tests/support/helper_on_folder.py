"""Runs the real helper on a directory instead of /: `python -I -S helper_on_folder.py DIR`.

The helper has no option for that, and must not have one: its root directory is an
argument of its classes that only `main` sets. It is loaded by its path,
so that nothing else of kmodtui can be imported here either.

A directory cannot replace the kernel, so what is passed to
`init_module` is written to the file `inserted`, `delete_module` removes a line of
/proc/modules, and the result of each is set in `behaviour.json`, as for modprobe.
"""

import base64
import errno
import importlib.util
import json
import os
import sys
from pathlib import Path

HELPER = Path(__file__).parents[2] / "kmodtui" / "privileged" / "helper.py"


def main() -> None:
    folder, scope, (idle, limit, deaf) = *sys.argv[1:3], map(float, sys.argv[3:])
    spec = importlib.util.spec_from_file_location("helper", HELPER)
    assert spec is not None
    assert spec.loader is not None
    helper = importlib.util.module_from_spec(spec)
    sys.modules["helper"] = helper
    spec.loader.exec_module(helper)
    helper.SEND_TIMEOUT = deaf
    if log := os.environ.get("KMODTUI_TEST_SYSLOG"):

        def write(_: int, text: str) -> None:
            with open(log, "a") as file:
                file.write(text + "\n")

        helper.syslog.syslog = write

    class Machine(helper.Machine):
        def init_module(self, image: bytes, parameters: bytes) -> None:
            with open(folder + "/behaviour.json") as file:
                todo = json.load(file).get("init_module", {})
            told = {"image": base64.b64encode(image).decode(), "parameters": parameters.decode()}
            with open(folder + "/inserted.new", "w") as file:
                json.dump(told, file)
            os.rename(folder + "/inserted.new", folder + "/inserted")
            if "block" in todo:
                with open(folder + "/" + todo["block"]) as file:
                    file.read()
            if "errno" in todo:
                number = getattr(errno, todo["errno"])
                raise OSError(number, os.strerror(number))
            with open(folder + "/proc/modules", "a") as file:
                file.write(todo.get("name", "hello") + " 16384 0 - Live 0x0000000000000000\n")

        def delete_module(self, name: bytes) -> None:
            with open(folder + "/behaviour.json") as file:
                todo = json.load(file).get("delete_module", {})
            if "errno" in todo:
                number = getattr(errno, todo["errno"])
                raise OSError(number, os.strerror(number))
            with open(folder + "/proc/modules") as file:
                lines = [line for line in file if line.split(" ")[0] != name.decode()]
            with open(folder + "/proc/modules.new", "w") as file:
                file.writelines(lines)
            os.rename(folder + "/proc/modules.new", folder + "/proc/modules")

    os.umask(0o077)  # as in main; the directory too
    os.chdir("/")
    machine = Machine(folder, "6.1.0-test", os.getuid())
    helper.Session(machine, 0, 1, scope, idle, limit).run()


if __name__ == "__main__":
    main()
