"""modprobe.d as people write it: what does not do what its author meant is reported in plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.configured import configured
from kmodtui.kernel.index.release import read_index
from kmodtui.model.modprobe_rules import CommandEffect, command_effect
from kmodtui.model.plan.plan import Plan
from kmodtui.model.plan.verb import Verb
from kmodtui.services.planning.plans import read_plan
from tests.support.elf import make_module
from tests.support.tiny_system import RELEASE, STRUCT, modinfo, tiny_system, write

TOP = f"/lib/modules/{RELEASE}"
PARAMETERS = {
    "disk": (b"parm=count:", b"parmtype=count:int", b"parm=debug:", b"parmtype=debug:bool"),
    "net": (b"parm=speed:", b"parmtype=speed:uint"),
    "top": (b"depends=net",),
    "virt_fast": (b"depends=virt",),
    "vendor": (),
    "certified": (b"supported=external",),
}


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    files = {
        name: make_module(modinfo(name, *lines), extra=STRUCT) for name, lines in PARAMETERS.items()
    }
    host = tiny_system(tmp_path, files, depends={"top": ["net"]})
    write(host, f"{TOP}/modules.builtin", "kernel/virt/virt.ko\n")
    for name in ("alias", "softdep"):
        write(host, f"{TOP}/modules.{name}", "")
    return host


def rules(host: LocalHost, text: str, file: str = "/etc/modprobe.d/a.conf") -> None:
    write(host, file, text)


def plan(host: LocalHost, name: str) -> Plan:
    return read_plan(host, RELEASE, Verb.LOAD, [name])


def warnings(host: LocalHost, name: str) -> str:
    return "\n".join(plan(host, name).warnings)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("options disk count=4 # four are enough", "“# four are enough” is passed to disk as well"),
        ("options disk count=4# four", "count: “4#” is not an integer"),
        ("options disk count='4'", "' is part of the value: only \" quotes a value"),
        ('options disk count="4', 'a " is not closed'),
        ("options disk count = 4", "a blank beside = separates disk's parameter"),
        ("options disk count=4options net speed=1", "the line end before “options net” is missing"),
        ("options disk cuont=4", "disk has no parameter cuont. Did you mean count?"),
        ("options disk count=four", "“four” is not an integer"),
        ("blacklist disk.ko", "no module is called disk.ko"),
        ("blacklist /lib/modules/x/disk.ko.xz", "no module is called"),
        ('blacklist "disk"', "no module is called"),
        ("blacklist disk, net", "no module is called disk,"),
        ("softdep disk pre: net # first", "the words after it are softdeps of disk too"),
        ("softdep disk pre: net\nsoftdep disk post: top", "only the first one counts, /etc/modp"),
        ("install disk /bin/a\ninstall disk /bin/b", "only the first one counts"),
        ("install disk /bin/false\nsoftdep disk pre: net", "install disk has NO EFFECT"),
    ],
)
def test_a_line_that_does_something_else_is_reported_in_the_plan_of_its_module(
    host: LocalHost, line: str, told: str
) -> None:
    rules(host, f"{line}\n")
    assert told in warnings(host, "disk")
    assert told not in warnings(host, "vendor")


@pytest.mark.parametrize(
    "line",
    [
        "options disk count=4 debug",
        'options disk "count=4"',
        "options disk debug=off count=0x10",
        "install disk /sbin/modprobe -i disk; /bin/logger done # why",
        "softdep disk pre: net post: top",
        "softdep disk pre: nothing\ninstall disk /bin/x",  # a softdep that is no module
        "blacklist net\nblacklist disk\nblacklist disk",
        "options virtual_thing a=1",
        "alias of:N*T*Cfsl,imx* disk",
    ],
)
def test_a_line_that_does_what_it_says_is_not_reported(host: LocalHost, line: str) -> None:
    rules(host, f"{line}\n")
    assert "/etc/modprobe.d/a.conf:" not in warnings(host, "disk").replace(
        "disk is blacklisted (/etc/modprobe.d/a.conf:", ""
    ).replace("An install rule (/etc/modprobe.d/a.conf:", "")


def test_rules_for_what_is_built_in_are_reported_with_the_kernel_command_line(
    host: LocalHost,
) -> None:
    rules(host, "options virt mode=2 fast=1\nblacklist virt\n")
    for name in ("virt", "virt_fast"):
        assert "On the kernel command line: virt.mode=2 virt.fast=1" in warnings(host, name)
        assert "blacklist virt has no effect: virt is built into this kernel." in warnings(
            host, name
        )
    assert "virt" not in warnings(host, "disk")


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("blacklist-bridge", "its name does not end in .conf."),
        ("a.conf.dpkg-new", "the package manager left it"),
        ("a.conf.rpmsave", "the package manager left it"),
        ("a.conf~", "it is a backup copy"),
        ("a.conf.bak", "it is a backup copy"),
    ],
)
def test_a_file_that_is_not_read_is_reported_for_the_modules_in_it(
    host: LocalHost, file: str, why: str
) -> None:
    rules(host, "blacklist net\noptions net speed=1\n", f"/etc/modprobe.d/{file}")
    told = warnings(host, "net")
    assert why in told
    assert "2 rules in it, such as “blacklist net”, have no effect" in told
    assert file not in warnings(host, "disk")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README", "Put files here.\nThey are read\nin order.\nblacklist net\n"),
        ("a.conf.disabled", "blacklist net\n"),
        (".a.conf.swp", "blacklist net\n"),
        ("notes", ""),
    ],
)
def test_other_files_in_the_directory_are_left_alone(host: LocalHost, file: str, text: str) -> None:
    rules(host, text, f"/etc/modprobe.d/{file}")
    assert file not in warnings(host, "net")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("404: Not Found\n", "unknown command 404:: line ignored. No line of this file is a rule."),
        ("\n<!DOCTYPE html>\n<html>\n", "No line of this file is a rule, but a web page."),
        ("Blacklist net\n", "unknown command Blacklist"),
    ],
)
def test_a_file_without_rules_is_reported_in_every_plan(
    host: LocalHost, text: str, told: str
) -> None:
    rules(host, text)
    for name in ("disk", "top"):
        assert told in warnings(host, name)


def test_a_blacklisted_dependency_is_loaded_anyway(host: LocalHost) -> None:
    rules(host, "blacklist net\nsoftdep disk pre: vendor\nblacklist vendor\n")
    assert "net is blacklisted (/etc/modprobe.d/a.conf:1), but it is loaded anyway" in (
        warnings(host, "top")
    )
    assert plan(host, "top").steps[0].reason == "blacklisted; needed by top"
    assert "vendor is blacklisted (/etc/modprobe.d/a.conf:3)" in warnings(host, "disk")
    assert "only prevents loading by an alias" in warnings(host, "net")


@pytest.mark.parametrize(
    ("value", "refused"), [("0", ["vendor"]), ("no", ["vendor"]), ("1", []), ("yes", [])]
)
def test_suse_refuses_what_it_does_not_support(
    host: LocalHost, value: str, refused: list[str]
) -> None:
    rules(host, f"allow_unsupported_modules {value}\n", "/lib/modprobe.d/10-unsupported.conf")
    told = [
        name
        for name in ("vendor", "certified")
        if "SUSE's modprobe refuses" in warnings(host, name)
    ]
    assert told == refused
    assert "unknown command" not in warnings(host, "vendor")


def test_a_copy_of_suses_file_in_etc_decides(host: LocalHost) -> None:
    rules(host, "allow_unsupported_modules 0\n", "/lib/modprobe.d/10-unsupported.conf")
    rules(host, "allow_unsupported_modules 1\n", "/etc/modprobe.d/10-unsupported.conf")
    assert "SUSE" not in warnings(host, "vendor")


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        ("/bin/false", CommandEffect.FAILS),
        ("/usr/bin/false # never", CommandEffect.FAILS),
        ('"/bin/false"', CommandEffect.FAILS),
        ("exec /bin/false", CommandEffect.FAILS),
        ("/dev/null", CommandEffect.FAILS),
        ("exit 1", CommandEffect.FAILS),
        ("echo blocked; /bin/false", CommandEffect.FAILS),
        ("/run/current-system/sw/bin/false", CommandEffect.FAILS),
        ("/nix/store/0a1b-coreutils-9.5/bin/false", CommandEffect.FAILS),
        ("/bin/false;", CommandEffect.FAILS),
        ("/bin/true", CommandEffect.NOTHING),
        (":", CommandEffect.NOTHING),
        ("exit 0", CommandEffect.NOTHING),
        ("/bin/echo disabled by policy", CommandEffect.NOTHING),
        ("/sbin/modprobe --ignore-install x", CommandEffect.UNKNOWN),
        ("/bin/false || insmod /x.ko", CommandEffect.UNKNOWN),
        ("/usr/local/bin/load-x", CommandEffect.UNKNOWN),
        # A shell that is given no command succeeds, and loads nothing.
        (" ", CommandEffect.NOTHING),
        ("# /sbin/modprobe --ignore-install x", CommandEffect.NOTHING),
        ("/bin/true && insmod /x.ko", CommandEffect.UNKNOWN),
        ("/usr/local/bin/load-x; /bin/false", CommandEffect.UNKNOWN),
        ('echo "a #"; load-x', CommandEffect.UNKNOWN),
        ("/opt/site/bin/false", CommandEffect.UNKNOWN),
        ("/bin/falsely", CommandEffect.UNKNOWN),
    ],
)
def test_every_way_to_say_never_load_this(command: str, effect: CommandEffect) -> None:
    assert command_effect(command) is effect


@pytest.mark.parametrize("command", ["/usr/bin/false", "exit 1", "/dev/null"])
def test_the_plan_of_a_blocked_module_is_refused(host: LocalHost, command: str) -> None:
    rules(host, f"install disk {command}\n")
    assert "disk is blocked: /etc/modprobe.d/a.conf:1 runs" in plan(host, "disk").refused


def test_all_problems_are_together(host: LocalHost) -> None:
    rules(host, "404\noptions virt a=1\ninstall disk /bin/false\nsoftdep disk pre: net\n")
    lookup = configured(read_index(host, RELEASE))
    assert [problem.source for problem in lookup.problems] == [
        f"/etc/modprobe.d/a.conf:{line}" for line in (1, 2, 3)
    ]
