"""Who can have a module loaded: by aliases, dependencies, switches of the system and rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.model.exposure.exposure import Exposure, ExposureFacts, exposures, totals
from kmodtui.model.exposure.request import Reach, Switches, reach_of, reach_of_name
from kmodtui.services.exposure import read_exposures
from tests.support.simulated import make_simulated
from tests.support.small_recording import Part

PARTS = {
    "sock": Part("sock.ko", 4096, depends=("lib",), aliases=("net-pf-38",)),
    "lib": Part("lib.ko", 4096),
    "fs": Part("fs.ko", 4096, softdep="pre: helper", aliases=("fs-own",)),
    "helper": Part("helper.ko", 4096),
    "usb": Part("usb.ko", 4096, aliases=("usb:v1*",)),
    "board": Part("board.ko", 4096, aliases=("acpi*:PNP0C0A:*", "platform:x")),
    "algif_own": Part("algif_own.ko", 4096),
    "node": Part("node.ko", 4096, aliases=("devname:own/tun", "char-major-10-200")),
}


@pytest.mark.parametrize(
    ("alias", "reach"),
    [
        ("net-pf-38", Reach.USER),
        ("net-pf-2-proto-132-type-1", Reach.USER),
        ("net-pf-16-proto-16-family-nl80211", Reach.USER),
        ("algif-aead", Reach.USER),
        ("crypto-gcm", Reach.USER),
        ("binfmt-464c", Reach.USER),
        ("tty-ldisc-13", Reach.USER),
        ("can-proto-1", Reach.USER),
        ("fs-cifs", Reach.NAMESPACE),
        ("xfrm-type-2-50", Reach.NAMESPACE),
        ("nft-expr-reject", Reach.NAMESPACE),
        ("ipt_LOG", Reach.NAMESPACE),
        ("ip_set_hash:ip", Reach.NAMESPACE),
        ("net-sch-fq", Reach.NAMESPACE),
        ("rtnl-link-vlan", Reach.NAMESPACE),
        ("usb:v0001p*", Reach.DEVICE),
        ("pci:v00008086d*", Reach.DEVICE),
        ("acpi*:PNP0C0A:*", Reach.ROOT),
        ("net-pf-35", Reach.USER),
        ("net-pf-35-proto-2", Reach.ROOT),  # pn_socket_create wants CAP_SYS_ADMIN first
        ("tcp_bbr", Reach.ROOT),  # needs CAP_NET_ADMIN in the initial namespace
        ("devname:loop-control", Reach.ROOT),
        ("block-major-7-*", Reach.ROOT),
    ],
)
def test_who_can_make_the_kernel_ask_for_an_alias(alias: str, reach: Reach) -> None:
    assert reach_of(alias, Switches())[0] is reach


def test_the_switches_of_the_system_count() -> None:
    closed = Switches(namespaces=False, line_disciplines=False, crypto_sockets=False)
    for alias in ("fs-cifs", "tty-ldisc-13", "crypto-gcm", "nft-expr-reject"):
        assert reach_of(alias, closed)[0] is Reach.ROOT
    assert reach_of_name("sch_fq", Switches())[0] is Reach.NAMESPACE
    assert reach_of_name("sch_fq", closed)[0] is Reach.ROOT
    assert reach_of_name("algif_aead", Switches())[0] is Reach.USER
    assert reach_of("net-pf-38", Switches(autoload=False))[0] is Reach.ROOT
    assert reach_of("devname:net/tun", Switches(open_nodes=frozenset(["net/tun"])))[0] is Reach.USER


def test_information_about_sockets_is_asked_for_only_when_there_can_be_some() -> None:
    diag = {"dccp_diag": ExposureFacts(("net-pf-16-proto-4-type-2-33",), ("dccp",))}
    dccp = {"dccp": ExposureFacts(), "dccp_ipv4": ExposureFacts(along=("dccp",))}
    asked = {"dccp_ipv4": ExposureFacts(("net-pf-2-proto-33-type-6",), ("dccp",))}

    def reached(modules: dict[str, ExposureFacts], *loaded: str) -> set[str]:
        every = exposures(modules, Switches(), loaded, lambda _: ())
        return {each.name for each in every if each.reach is Reach.USER}

    assert reached(diag | dccp) == set()
    assert reached(diag | dccp, "dccp", "dccp_ipv4") == {"dccp_diag", "dccp"}
    assert reached(diag | dccp | asked) == {"dccp_diag", "dccp_ipv4", "dccp"}


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path, parts=PARTS)


def found(kernel: SimulatedKernel) -> dict[str, Exposure]:
    every, _ = read_exposures(kernel.host, kernel.release)
    return {each.name: each for each in every}


def reaches(kernel: SimulatedKernel) -> dict[str, Reach]:
    return {name: each.reach for name, each in found(kernel).items()}


def test_dependencies_and_softdeps_inherit_it(kernel: SimulatedKernel) -> None:
    kernel.load("lib")
    assert reaches(kernel) == {
        "sock": Reach.USER,
        "lib": Reach.USER,
        "fs": Reach.NAMESPACE,
        "helper": Reach.NAMESPACE,
        "usb": Reach.DEVICE,
        "algif_own": Reach.ROOT,
        "board": Reach.ROOT,
        "node": Reach.ROOT,
    }
    lib = found(kernel)["lib"]
    assert (lib.loaded, lib.reasons[0].via) == (True, "sock")
    assert totals(found(kernel).values())[0] == (
        "2 modules can be loaded by any user; 1 is loaded; 1 could be blocked."
    )


@pytest.mark.parametrize(
    "rule",
    [
        "blacklist sock",
        "install sock /bin/false",
        "install lib /bin/false",
        "alias net-pf-38 off",
    ],
)
def test_a_module_that_a_rule_stops_is_not_exposed(kernel: SimulatedKernel, rule: str) -> None:
    kernel.folder.write("/etc/modprobe.d/a.conf", f"{rule}\n".encode())
    assert reaches(kernel)["sock"] is Reach.ROOT
    assert reaches(kernel)["lib"] is Reach.ROOT


def test_a_blacklist_does_not_stop_what_the_kernel_asks_for_by_name(
    kernel: SimulatedKernel,
) -> None:
    kernel.folder.write(f"/lib/modules/{kernel.release}/modules.builtin", b"crypto/af_alg.ko\n")
    kernel.folder.write("/etc/modprobe.d/a.conf", b"blacklist algif_own\n")
    assert reaches(kernel)["algif_own"] is Reach.USER
    kernel.folder.write("/etc/modprobe.d/a.conf", b"install algif_own /bin/false\n")
    assert reaches(kernel)["algif_own"] is Reach.ROOT


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("user/max_user_namespaces", b"0\n"),
        ("kernel/unprivileged_userns_clone", b"0\n"),
        ("kernel/apparmor_restrict_unprivileged_userns", b"1\n"),
    ],
)
def test_without_user_namespaces_fewer_are_exposed(
    kernel: SimulatedKernel, file: str, value: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.folder.write(f"/proc/sys/{file}", value)
    assert reaches(kernel)["fs"] is Reach.ROOT
    assert reaches(kernel)["sock"] is Reach.USER
    assert run(["exposure", "--root", str(kernel.folder.root)]) == 0
    assert file.replace("/", ".") in capsys.readouterr().out


def test_nothing_is_exposed_where_modules_are_disabled(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/sys/kernel/modules_disabled", b"1\n")
    assert set(reaches(kernel).values()) == {Reach.ROOT}


@pytest.mark.skipif(os.geteuid() != 0, reason="making a device node needs root")
def test_a_device_node_that_anybody_can_open(kernel: SimulatedKernel) -> None:
    path = kernel.folder.locate("/dev/own/tun")
    path.parent.mkdir(parents=True)
    try:
        os.mknod(path, 0o020600, os.makedev(10, 200))
    except PermissionError:
        pytest.skip("device nodes cannot be made here")
    assert reaches(kernel)["node"] is Reach.ROOT
    path.chmod(0o666)
    assert reaches(kernel)["node"] is Reach.USER


def test_the_verb_lists_named_modules_and_refuses_unknown_ones(
    kernel: SimulatedKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(kernel.folder.root)]
    assert run(["exposure", "lib", *root]) == 0
    assert "with sock, if somebody opens a socket of this family: net-pf-38" in (
        capsys.readouterr().out
    )
    assert run(["exposure", "nosuch", *root]) == 1
    assert run(["exposure", "--reach", "device", *root]) == 0
    assert capsys.readouterr().out.split()[0] == "usb"
