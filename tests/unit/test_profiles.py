"""Profiles: which modules they would block, which never, and the verb that blocks them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from kmodtui.cli import run
from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.errors import PlanError
from kmodtui.kernel.host import LocalHost
from kmodtui.model.block.lines import BLOCK_FILE
from kmodtui.model.own_file import OwnFile
from kmodtui.model.plan.undo import restored
from kmodtui.model.plan.verb import Verb
from kmodtui.model.profile.profile import Profile, ProfileFacts, ProfileKind, profile
from kmodtui.model.profile.rare import RARE
from kmodtui.services import seen
from kmodtui.services.profiles import read_profile
from tests.support.simulated import make_simulated
from tests.support.small_recording import Part

PARTS = {
    "disk": Part("drivers/ata/disk.ko", 4096, depends=("lib",), boot=True, softdep="post: extra"),
    "lib": Part("lib/lib.ko", 4096, boot=True),
    "extra": Part("lib/extra.ko", 4096),
    "card": Part("drivers/net/card.ko", 4096, aliases=("pci:v1*",)),
    "second": Part("drivers/net/second.ko", 4096, aliases=("pci:v2*",)),
    "hid_new": Part("drivers/hid/hid_new.ko", 4096),
    "xts": Part("crypto/xts.ko", 4096),
    "fs": Part("fs/fs.ko", 4096, aliases=("fs-own",)),
    "fast": Part("lib/fast.ko", 4096),
    "listed": Part("drivers/misc/listed.ko", 4096, depends=("fast",)),
    "tuned": Part("drivers/misc/tuned.ko", 4096),
    "dkms": Part("updates/dkms/dkms.ko", 4096),
    "sctp": Part("net/sctp/sctp.ko", 4096, aliases=("net-pf-2-proto-132",), depends=("lib",)),
    "other": Part("net/other.ko", 4096, depends=("sctp",)),
}
Output = pytest.CaptureFixture[str]


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path, parts=PARTS)


def write(kernel: SimulatedKernel, path: str, text: str) -> None:
    kernel.folder.write(path, text.encode())


def read(kernel: SimulatedKernel, kind: ProfileKind = ProfileKind.UNUSED) -> Profile:
    return read_profile(kernel.host, kernel.release, kind)


def test_what_the_machine_uses_is_kept_and_what_that_needs(kernel: SimulatedKernel) -> None:
    write(kernel, "/sys/bus/pci/devices/0000:00:01.0/modalias", "pci:v1d2\n")
    write(kernel, "/etc/fstab", "# x\nUUID=1 /mnt own,none noauto 0 0\n")
    write(kernel, "/etc/modules-load.d/a.conf", "listed\n")
    write(kernel, "/etc/modprobe.d/a.conf", "options tuned debug=1\n")
    found = read(kernel)
    assert set(found.names) == {"second", "xts", "sctp", "other"}
    assert found.kept == {
        "disk": "it is loaded",
        "lib": "it is loaded",
        "extra": "disk needs it",
        "card": "a device matches it: pci device 0000:00:01.0",
        "fs": "/etc/fstab:2 names its file system",
        "listed": "/etc/modules-load.d/a.conf:1 names it",
        "fast": "listed needs it",
        "tuned": "/etc/modprobe.d/a.conf:1 sets options for it",
        "dkms": "it was installed separately from the kernel",
        "hid_new": "a keyboard may need it",
    } | {name: found.kept[name] for name in ("own", "none") if name in found.kept}
    assert found.candidates[0].name == "sctp", "those that any user can have loaded come first"
    assert found.reasons["sctp"] == (
        "not used here; network protocol; any user can have it loaded "
        "(opens a socket of this protocol)"
    )


def test_an_encrypted_disk_keeps_the_ciphers(kernel: SimulatedKernel) -> None:
    assert "xts" in read(kernel).names
    write(kernel, "/etc/crypttab", "# comment\n")
    assert "xts" in read(kernel).names
    write(kernel, "/etc/crypttab", "root UUID=1 none luks\n")
    assert read(kernel).kept["xts"] == "an encrypted disk may need it"


def test_options_of_the_distribution_are_no_sign_of_use(kernel: SimulatedKernel) -> None:
    write(kernel, "/usr/lib/modprobe.d/a.conf", "options tuned debug=1\n")
    assert "tuned" in read(kernel).names


def test_rare_modules_have_a_reason_of_their_own(kernel: SimulatedKernel) -> None:
    found = read(kernel, ProfileKind.RARE)
    assert found.names == ("sctp",)
    assert found.reasons["sctp"] == RARE["sctp"]
    kernel.load("other")
    assert read(kernel, ProfileKind.RARE).names == (), "it is in use"


def test_what_is_left_out_takes_along_what_it_needs(kernel: SimulatedKernel) -> None:
    found = read(kernel).without(["other"])
    assert "other" not in found.names
    assert "sctp" not in found.names
    assert found.kept["sctp"] == "other needs it"


def test_nothing_is_called_unused_where_nothing_is_known_to_be_loaded(
    kernel: SimulatedKernel,
) -> None:
    kernel.folder.write("/proc/modules", b"")
    with pytest.raises(PlanError, match="which ones this machine uses is unknown"):
        read(kernel)


def test_a_module_that_was_seen_loaded_once_is_not_unused() -> None:
    def none(_: str) -> Iterable[str]:
        return ()

    places = {"stick": "kernel/drivers/usb/stick.ko", "ext4": "kernel/fs/ext4/ext4.ko"}
    facts = ProfileFacts(places, none, loaded=("ext4",), seen=("stick",))
    assert profile(ProfileKind.UNUSED, facts).names == ()


def test_what_is_seen_is_kept_between_two_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    seen.note_seen(LocalHost(tmp_path), ["other_system"])
    assert seen.read_seen() == frozenset()
    machine = LocalHost()
    seen.note_seen(machine, ["stick", "bad name", "\x1b[31m"])
    seen.note_seen(machine, ["vpn"])
    assert seen.read_seen() == {"stick", "vpn"}
    assert [file.name for file in (tmp_path / "kmodtui").iterdir()] == ["seen-loaded"]
    seen.seen_path().write_bytes(b"\xff\xfe\nvpn\n" + b"x" * 100)
    assert seen.read_seen() == {"vpn"}


def test_the_verb_shows_reasons_and_blocks_in_one_change(capsys: Output) -> None:
    assert run(["block", "--demo", "--profile", "rare", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert f"block    sctp     {RARE['sctp']}" in printed or RARE["sctp"] in printed
    assert run(["block", "--demo", "--profile", "unused", "--except", "sctp", "-y", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"]["result"] == "done"
    assert found["modules"] == [each["name"] for each in found["profile"]["modules"]]
    assert len(found["modules"]) > 50
    assert "sctp" not in found["modules"]
    kept = {each["name"]: each["reason"] for each in found["profile"]["kept"]}
    assert kept["sctp"] == "left out by you"
    assert kept["libcrc32c"] == "sctp needs it"
    assert kept["ext4"] == "it is loaded"


def test_profiles_are_not_combined_with_other_choices(capsys: Output) -> None:
    assert run(["block", "--demo", "--profile", "rare", "sctp"]) == 2
    assert run(["block", "--demo", "--except", "sctp", "--", "udp_tunnel"]) == 2
    assert run(["block", "--demo"]) == 2
    assert run(["block", "--demo", "--profile", "rare", "--except", "sctpp"]) != 0
    assert "Did you mean sctp?" in capsys.readouterr().err


def test_a_module_that_cannot_be_blocked_is_left_out_with_the_reason(
    capsys: Output, kernel: SimulatedKernel
) -> None:
    write(kernel, "/etc/modprobe.d/a.conf", "softdep second pre: fast\n")
    root = str(kernel.folder.root)
    assert run(["block", "--root", root, "--profile", "unused", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept = {each["name"]: each["reason"] for each in found["profile"]["kept"]}
    assert kept["second"].startswith("second cannot be blocked: kmod up to 34 ignores")
    assert kept["fast"] == "second needs it"
    assert "sctp" in found["modules"]
    assert not found["refused"]


def test_one_undo_unblocks_a_whole_profile() -> None:
    before = [(OwnFile.BLOCK, f"m{number}", None) for number in range(1000)]
    entry = restored("block of many", before)
    assert entry is not None
    assert [(intent.verb, len(intent.names)) for intent in entry.back] == [(Verb.UNBLOCK, 1000)]


def test_what_is_blocked_already_is_not_blocked_again(kernel: SimulatedKernel) -> None:
    write(kernel, BLOCK_FILE, "install sctp /bin/false\n")
    assert read(kernel).kept["sctp"] == f"it is already blocked: {BLOCK_FILE}:1"
