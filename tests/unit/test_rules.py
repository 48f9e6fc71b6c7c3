"""Every rule of modprobe.d with its effect, what wins, and why others do nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.services.rules import read_rules
from tests.support.elf import make_module
from tests.support.simulated import make_simulated
from tests.support.small_recording import Part
from tests.support.tiny_system import modinfo, tiny_system, write

PARTS = {
    "main": Part("main.ko", 4096, depends=("lib",), aliases=("fs-main",)),
    "lib": Part("lib.ko", 4096),
    "soft": Part("soft.ko", 4096, softdep="pre: lib"),
}
A, B = "/etc/modprobe.d/a.conf", "/etc/modprobe.d/b.conf"


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    kernel = make_simulated(tmp_path, parts=PARTS)
    kernel.folder.write(f"/lib/modules/{kernel.release}/modules.builtin", b"kernel/inside.ko\n")
    return kernel


def effects(kernel: SimulatedKernel, **files: str) -> list[tuple[str, str, str]]:
    """The effect, the reason and the winner of each rule in a.conf and b.conf."""
    for name, text in files.items():
        kernel.folder.write(f"/etc/modprobe.d/{name}.conf", text.encode())
    found = read_rules(kernel.host, kernel.release).rules
    return [
        (str(each.effect), each.reason, each.winner) for each in found if each.rule.file in (A, B)
    ]


@pytest.mark.parametrize(
    ("line", "effect", "reason"),
    [
        ("blacklist main", "in effect", "no alias loads it; its name still does"),
        ("blacklist gone", "no effect", "no module is named gone"),
        ("blacklist inside", "no effect", "inside is built into the kernel"),
        (
            "blacklist fs-main",
            "no effect",
            "fs_main is an alias of main; blacklist needs the module's own name",
        ),
        ("install main /bin/false", "in effect", "blocked: every load by modprobe fails"),
        ("install main /bin/true", "in effect", "blocked: loads do nothing, without an error"),
        ("install main /dev/null", "in effect", "blocked: every load by modprobe fails"),
        ("install main /sbin/x; :", "in effect", "runs as root instead of loading"),
        (
            "install main /bin/false || /sbin/modprobe -i main",
            "in effect",
            "runs as root instead of loading",
        ),
        ("install soft /bin/false", "no effect", "kmod up to 34 ignores it: soft has softdeps"),
        ("options main a=1", "in effect", "passed when it is loaded"),
        (
            "options inside a=1",
            "no effect",
            "inside is built into the kernel: use inside.name=value on its command line",
        ),
        ("alias my-name main", "in effect", "loads main"),
        ("alias fs-main off", "in effect", "turns the alias off: no module is named off"),
        ("softdep main pre: soft post: gone", "in effect", None),
        ("softdep main pre: gone", "no effect", "there is no gone"),
        ("softdep main soft", "no effect", "neither pre: nor post:"),
        ("remove main /sbin/x; :", "in effect", "runs as root instead of unloading"),
    ],
)
def test_what_one_rule_does(
    kernel: SimulatedKernel, line: str, effect: str, reason: str | None
) -> None:
    (found,) = effects(kernel, a=f"{line}\n")
    assert found[0] == effect
    assert reason in (found[1], None)


def test_of_install_and_softdep_rules_the_first_counts_and_of_options_the_last(
    kernel: SimulatedKernel,
) -> None:
    first = "install main /bin/true\nsoftdep main pre: lib\nblacklist main\noptions main a=1 b=2\n"
    second = "install main /bin/false\nsoftdep main pre: soft\nblacklist main\noptions main a=2\n"
    found = effects(kernel, a=first.replace("softdep main pre: lib\n", ""), b=second)
    assert found[3:] == [
        ("overridden", "the first rule counts", f"{A}:1"),
        ("in effect", "loads soft before it", ""),
        ("overridden", "a repetition", f"{A}:2"),
        ("in effect", "passed when it is loaded", ""),
    ]
    found = effects(kernel, a=first.replace("install main /bin/true\n", ""), b=second)
    assert found[2][1] == "except a=1, set again later"
    assert found[4] == ("overridden", "the first rule counts", f"{A}:1")
    found = effects(kernel, a="install main /bin/true\noptions main a=1\n", b="")
    assert found[1] == (
        "no effect",
        "an install rule replaces the load and does not pass options on",
        f"{A}:1",
    )
    found = effects(kernel, a="options main a=1\n", b="options main a=2\n")
    assert found == [
        ("overridden", "the last value counts", f"{B}:1"),
        ("in effect", "passed when it is loaded", ""),
    ]


def test_kmodtuis_own_empty_softdep_is_explained(kernel: SimulatedKernel) -> None:
    text = b"install soft /bin/false\nsoftdep soft pre:\n"
    kernel.folder.write("/etc/modprobe.d/kmodtui-block.conf", text)
    reasons = [each.reason for each in read_rules(kernel.host, kernel.release).rules]
    assert "blocked: every load by modprobe fails" in reasons
    assert "removes its softdeps, so that its install rule counts" in reasons
    assert read_rules(kernel.host, kernel.release).ignored == ()


def test_files_that_modprobe_does_not_read_are_listed(kernel: SimulatedKernel) -> None:
    for path in ("/etc/modprobe.d/a.conf.bak", "/run/modprobe.d/x.conf", "/etc/modprobe.d/x.conf"):
        kernel.folder.write(path, b"blacklist main\n")
    kernel.folder.write("/etc/modprobe.d/bad.conf", b"blaklist main\n")
    ignored = {each.source: each.text for each in read_rules(kernel.host, kernel.release).ignored}
    assert ignored == {
        "/etc/modprobe.d/bad.conf:1": "unknown command blaklist: line ignored. "
        "No line of this file is a rule.",
        "/etc/modprobe.d/a.conf.bak": "modprobe does not read it: its name does not end in .conf; "
        "it is a backup copy. 1 rule in it, such as “blacklist main”, has no effect.",
        "/run/modprobe.d/x.conf": "/etc/modprobe.d/x.conf replaces it.",
    }


def test_the_verb_prints_rules_of_one_module_as_text_and_as_json(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.folder.write(A, b"blacklist main\nblacklist lib\n")
    kernel.folder.write("/proc/cmdline", b"quiet module_blacklist=lib")
    root = ["--root", str(kernel.folder.root)]
    assert run(["rules", "main", *root]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "in effect   blacklist main",
        f"            {A}:1: no alias loads it; its name still does",
    ]
    assert run(["rules", "--json", *root]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["module_blacklist"] == ["lib"]
    assert [rule["name"] for rule in told["rules"]] == ["main", "lib"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/bin/ture", "every load by modprobe fails: /bin/ture does not exist"),
        ("exec ture --quiet", "every load by modprobe fails: ture does not exist"),
        ("/bin/text", "every load by modprobe fails: /bin/text is not executable"),
        ("/bin", "every load by modprobe fails: /bin is a directory"),
        ("/bin/true", "every load by modprobe fails: /bin/true does not exist"),
        ("/opt/x/load", "runs as root instead of loading; /opt/x/load is not in this tree"),
        ("/bin/sh -c ture", "runs as root instead of loading"),
        ("sh -c ture", "runs as root instead of loading"),
        ("/bin/ture; /bin/sh", "runs as root instead of loading"),
        ("exit 1", "blocked: every load by modprobe fails"),
    ],
)
def test_an_install_rule_whose_program_does_not_exist_makes_every_load_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    """Looked for in the tree: what this machine has in /bin does not matter."""
    host = tiny_system(tmp_path, {"main": make_module(modinfo("main"))})
    for name, mode in (("sh", 0o755), ("text", 0o644)):
        write(host, f"/bin/{name}", "#!\n")
        (tmp_path / "bin" / name).chmod(mode)
    write(host, "/etc/modprobe.d/a.conf", f"install main {command}\n")
    assert run(["--root", str(tmp_path), "rules"]) == 0
    assert words in " ".join(capsys.readouterr().out.split())
    failed = run(["--root", str(tmp_path), "plan", "load", "main"])
    printed = " ".join("".join(capsys.readouterr()).split())
    if "fails: " in words:
        assert failed == 1
        assert f"{words.partition(': ')[2]}. modprobe would fail." in printed
    else:
        assert ("where it does not exist, modprobe fails" in printed) == ("tree" in words)
