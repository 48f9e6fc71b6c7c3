"""`kmodtui plan` tells step by step what would be done, to a person and to a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.support.simulated import make_simulated
from tests.support.small_recording import RELEASE

FOLDER = f"/lib/modules/{RELEASE}/kernel"
RULES = "/etc/modprobe.d/a.conf"
Output = pytest.CaptureFixture[str]


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


def plan(kernel: SimulatedKernel, *arguments: str) -> int:
    return run(["plan", *arguments, "--root", str(kernel.folder.root)])


def planned(capsys: Output, kernel: SimulatedKernel, *arguments: str) -> dict[str, Any]:
    assert plan(kernel, *arguments, "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found: dict[str, Any] = json.loads(captured.out)
    return found


def steps(capsys: Output, kernel: SimulatedKernel, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = planned(capsys, kernel, *arguments)["steps"]
    return found


def rules(kernel: SimulatedKernel, *lines: str) -> None:
    kernel.folder.write(RULES, "".join(f"{line}\n" for line in lines).encode())


def test_a_load_is_told_step_by_step(kernel: SimulatedKernel, capsys: Output) -> None:
    rules(kernel, "options fat codepage=437")
    assert plan(kernel, "load", "vfat", "iocharset=utf8") == 0
    assert capsys.readouterr().out.splitlines() == [
        "  1  insmod   fat   needed by vfat",
        f"                    {FOLDER}/fs/fat/fat.ko",
        f"                    codepage=437  ({RULES}:1)",
        "  2  insmod   vfat  requested",
        f"                    {FOLDER}/fs/fat/vfat.ko",
        "                    iocharset=utf8  (given)",
        "  !  vfat has no parameters.",
        "  !  /etc/modprobe.d/a.conf:1: fat has no parameters.",
        "  #  modprobe -- vfat iocharset=utf8",
    ]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("nbd_max=4", "  !  nbd has no parameter nbd_max. Did you mean nbds_max?"),
        ("max_part=x", "  !  max_part: “x” is not an integer such as 12, 0x0c or 014."),
        ("max_part=4", None),
    ],
)
def test_a_parameter_that_the_kernel_would_not_take_is_told(
    kernel: SimulatedKernel, capsys: Output, word: str, told: str | None
) -> None:
    assert plan(kernel, "load", "nbd", word) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  !")]
    assert warnings == ([told] if told else [])


def test_another_verb_is_answered_with_those_that_there_are(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    with pytest.raises(SystemExit):
        plan(kernel, "frob", "nbd")
    said = capsys.readouterr().err
    assert "load" in said
    assert "Verb" not in said


def test_a_load_as_json_has_its_steps_warnings_and_commands(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    rules(kernel, "options fat codepage=437", "install vfat /bin/echo $CMDLINE_OPTS")
    found = planned(capsys, kernel, "load", "vfat", "a=1")
    assert (found["verb"], found["modules"], found["parameters"]) == ("load", ["vfat"], ["a=1"])
    assert found["commands"] == ["modprobe -- vfat a=1"]
    assert any("runs /bin/echo a=1 instead" in each for each in found["warnings"]), found[
        "warnings"
    ]
    assert (found["refused"], found["remedy"], found["blocked_by"]) == (None, None, [])
    fat, vfat = found["steps"]
    assert fat == {
        "action": "insmod",
        "module": "fat",
        "reason": "needed by vfat",
        "rule": None,
        "path": f"{FOLDER}/fs/fat/fat.ko",
        "options": [{"text": "codepage=437", "source": f"{RULES}:1"}],
        "command": f"insmod {FOLDER}/fs/fat/fat.ko codepage=437",
        "memory": None,
    }
    assert (vfat["action"], vfat["command"], vfat["rule"]) == (
        "install",
        "/bin/echo a=1",
        f"{RULES}:2",
    )
    assert vfat["options"] == [{"text": "a=1", "source": "given"}]


def test_an_unload_tells_what_goes_along_and_what_stays(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    kernel.load("btrfs")
    kernel.hold("xor")
    found = planned(capsys, kernel, "unload", "btrfs")
    first = found["steps"][0]
    assert (first["module"], first["action"]) == ("btrfs", "rmmod")
    assert (first["command"], first["memory"]) == ("rmmod btrfs", 1806336)
    assert found["memory_change"] == -sum(step["memory"] for step in found["steps"])
    stays = {one["module"]: one["reason"] for one in found["still_loaded"]}
    assert stays["xor"].startswith("in use by something other than modules")
    assert plan(kernel, "unload", "btrfs") == 0
    out = capsys.readouterr().out
    assert "  =  stays    xor" in out
    assert "about 1.7 MiB" in out
    assert "less memory in total" in out
    assert out.splitlines()[-1] == "  #  modprobe -r -- btrfs"


def test_a_reload_and_several_at_once(kernel: SimulatedKernel, capsys: Output) -> None:
    kernel.load("vfat")
    kernel.load("dummy")
    found = steps(capsys, kernel, "reload", "dummy", "numdummies=2")
    assert [step["action"] for step in found] == ["rmmod", "insmod"]
    found = steps(capsys, kernel, "unload", "fat", "dummy", "vfat")
    assert {step["module"] for step in found} == {"vfat", "fat", "dummy"}
    found = steps(capsys, kernel, "load", "btrfs", "tun")
    assert [step["module"] for step in found if step["reason"] == "requested"] == ["btrfs", "tun"]


def test_what_cannot_work_is_told_with_its_remedy(kernel: SimulatedKernel, capsys: Output) -> None:
    assert plan(kernel, "unload", "net_failover") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "kmodtui: net_failover is in use by virtio_net.\n         Unload virtio_net first.\n"
    )


@pytest.mark.parametrize(
    ("name", "action", "why"),
    [
        ("virtio", "builtin", "virtio is built into this kernel: there is nothing to load."),
        ("virtio_net", "skip", "virtio_net is already loaded."),
    ],
)
def test_a_load_with_nothing_to_do_succeeds_as_modprobe_does(
    kernel: SimulatedKernel, capsys: Output, name: str, action: str, why: str
) -> None:
    assert plan(kernel, "load", name, "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [step["action"] for step in found["steps"]] == [action]
    assert (found["commands"], found["refused"]) == ([], None)
    assert found["nothing_to_do"] == why
    assert captured.err == ""
    assert plan(kernel, "load", name) == 0
    assert why in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["load", "btrsf"], 1, "Did you mean btrfs"),
        (["unload", "btrfs"], 1, "btrfs is not loaded.\n         There is nothing to unload."),
        (["unload", "virtio"], 1, "built into this kernel: it cannot be unloaded."),
        (["load", "a=1"], 2, "No module given."),
        (["load", "./x.ko"], 2, "kmodtui load --dry-run ./x.ko"),
        (["unload", "evdev", "a=1"], 2, "An unload takes no parameters."),
        (["load", "vfat", "fat", "a=1"], 1, "Parameters apply to one module"),
        (["unload", "evdev", "--kernel", "9.9"], 1, "No module of kernel 9.9 is loaded"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    kernel: SimulatedKernel, capsys: Output, arguments: list[str], status: int, said: str
) -> None:
    assert plan(kernel, *arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_of_another_release_nothing_is_loaded(kernel: SimulatedKernel, capsys: Output) -> None:
    folder = kernel.folder.root / "lib/modules"
    (folder / "6.9").symlink_to(RELEASE)
    found = steps(capsys, kernel, "load", "virtio_net", "--kernel", "6.9")
    assert [step["action"] for step in found] == ["insmod"] * 3
    assert found[0]["path"].startswith("/lib/modules/6.9/")
    assert plan(kernel, "unload", "virtio_net", "--kernel", "6.9") == 1
    assert "No module of kernel 6.9 is loaded" in capsys.readouterr().err


def test_a_tree_without_a_kernel_has_plans_of_loads(
    kernel: SimulatedKernel, capsys: Output
) -> None:
    """An unpacked package."""
    kernel.folder.remove("/proc")
    found = steps(capsys, kernel, "load", "vfat", "--kernel", RELEASE)
    assert [step["module"] for step in found] == ["fat", "vfat"]
    assert plan(kernel, "unload", "vfat", "--kernel", RELEASE) == 1
    assert "/proc/modules" in capsys.readouterr().err


def test_hostile_text_is_made_safe(kernel: SimulatedKernel, capsys: Output) -> None:
    rules(kernel, "options fat \x1b[31m=1", "install vfat /bin/\x1b]0;x\x07")
    assert plan(kernel, "load", "vfat") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31m=1" in out


def test_who_holds_a_module_is_told(kernel: SimulatedKernel, capsys: Output) -> None:
    mount = "21 1 254:1 / /home rw - ext4 /dev/vda1 rw\n"
    kernel.folder.write("/proc/self/mountinfo", mount.encode())
    assert plan(kernel, "unload", "ext4") == 1
    assert "/home" in capsys.readouterr().err
