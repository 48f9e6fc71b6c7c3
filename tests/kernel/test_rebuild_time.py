"""How long a rebuild takes until it is loaded, compared with rmmod and insmod."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.driver import SOURCE, Driver
from tests.kernel.verbs import PYTHON
from tests.kernel.vm import VM

SCRIPT = Path(__file__).parent / "rebuild_in_guest.py"
FOLDER = "/root/rebuilds"
TIMES = 8


@pytest.mark.full
def test_the_time_from_rebuild_to_loaded(vm: VM, tmp_path: Path, record_property: Any) -> None:
    driver = Driver(tmp_path, vm.release)
    twin = SOURCE.replace("kmodtui_drv", "kmodtui_twin").replace("@NUMBER@", "1")
    for word in ("@PARAMETERS@", "@WORK@", "@INIT@"):
        twin = twin.replace(word, "")
    vm.run("root", ["mkdir", "-p", FOLDER], check=True)
    for number in (0, 1):
        data = driver.build(number, work=number).data
        vm.write("root", f"{FOLDER}/{number}.ko", data)
    vm.write("root", f"{FOLDER}/twin.ko", driver.make("twin", twin).read_bytes())
    vm.write("root", f"{FOLDER}/measure.py", SCRIPT.read_bytes())
    command = [PYTHON, f"{FOLDER}/measure.py", str(TIMES), FOLDER]
    printed = vm.run("root", command, check=True).stdout
    vm.run("root", ["rm", "-r", FOLDER], check=True)
    seconds = json.loads(printed)
    # The first rebuild still imports modules of Python.
    plain, rebuild = (statistics.median(seconds[key][1:]) for key in ("plain", "rebuild"))
    record_property("seconds of rmmod && insmod", round(plain, 3))
    record_property("seconds from rebuild to loaded", round(rebuild, 3))
    record_property("ratio", round(rebuild / plain, 2))
    print(f"from rebuild to loaded: {rebuild:.3f} s, {rebuild / plain:.1f} times rmmod && insmod")
    assert len(seconds["rebuild"]) == TIMES
