"""While another shell loads and unloads one module in a loop, nothing else seems to change."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.vm import VM

SCRIPT = Path(__file__).parent / "loop_in_guest.py"
PYTHON = "/opt/kmodtui/bin/python"


def watch_loop(vm: VM, times: int) -> dict[str, Any]:
    """Return what the monitor reports of `times` loads and unloads of dummy."""
    vm.write("guest", "/tmp/loop.py", SCRIPT.read_bytes())
    command = vm.ssh("guest", shlex.join([PYTHON, "/tmp/loop.py"]))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as watching:
        assert watching.stdin is not None
        assert watching.stdout is not None
        try:
            assert watching.stdout.readline() == "watching\n"
            loop = f"for i in $(seq {times}); do modprobe dummy; modprobe -r dummy; done"
            vm.run("root", loop, check=True, timeout=900)
            watching.stdin.write("enough\n")
            watching.stdin.flush()
            told: dict[str, Any] = json.loads(watching.stdout.readline())
        finally:
            watching.kill()
    vm.run("guest", ["rm", "/tmp/loop.py"], check=True)
    return told


@pytest.mark.parametrize("times", [30, pytest.param(200, marks=pytest.mark.full)])
def test_each_load_and_unload_is_counted_and_no_other_module_changes(
    vm: VM, times: int, record_property: Any
) -> None:
    told = watch_loop(vm, times)
    record_property("changes reported", told["changes"])
    record_property("of them too fast to compare", told["not_compared"])
    assert (told["loads"], told["unloads"]) == (times, times)
    assert told["modules"] == ["dummy"]
    assert told["owners"] in ([], ["dummy"])
    assert told["net"] == 0
    assert told["wrong_at_the_end"] == []
