"""Who can make the kernel load a module, tried in the guest by somebody who is not root."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kernel.image import Image
from tests.kernel.vm import VM, boot

SCRIPT = Path(__file__).parent / "exposed_in_guest.py"
FOR_ROOT = {
    "cuse": "devname:cuse",
    "nbd": "devname:nbd0",
    "pn_pep": "net-pf-35-proto-2",
    "snd_seq": "devname:snd/seq",
    "tcp_bbr": "tcp_bbr",
    "tcp_illinois": "tcp_illinois",
    "tcp_vegas": "tcp_vegas",
    "uhid": "devname:uhid",
    "uinput": "devname:uinput",
    "vhost_net": "devname:vhost-net",
    "vhost_vsock": "devname:vhost-vsock",
}
"""Modules that only root can have loaded, and what makes the kernel load each for root."""


def asked(vm: VM, lines: list[str]) -> dict[str, bool]:
    """Have an ordinary user ask for aliases; return what they could, and whether it is loaded."""
    vm.write("guest", "exposed_in_guest.py", SCRIPT.read_bytes())
    text = "".join(f"{line}\n" for line in lines)
    done = vm.run("guest", "python3 exposed_in_guest.py", input=text, timeout=600, check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: loaded == "True" for name, loaded in rows}


@pytest.mark.full
def test_an_ordinary_user_loads_what_is_predicted_and_nothing_else(debian: Image) -> None:
    with boot(image=debian) as vm:  # some of these cannot be unloaded
        told = json.loads(vm.kmodtui("guest", "exposure", "--json", check=True).stdout)["modules"]
        lines = [
            f"{module['name']} {reason['alias']}"
            for module in told
            for reason in module["reasons"]
            if reason["alias"]
            and not reason["via"]
            and reason["reach"] in ("any user", "any user, in a user namespace")
        ]
        loaded = asked(vm, lines)
        print(f"{sum(loaded.values())} of {len(loaded)} modules were loaded by an ordinary user")
        assert sum(loaded.values()) >= 20
        # The others refuse without their hardware or firmware: root cannot load them either.
        for name in [name for name, is_loaded in loaded.items() if not is_loaded]:
            assert vm.run("root", ["modprobe", name]).returncode != 0, name

        assert not {module["name"] for module in told} & FOR_ROOT.keys()
        lines = [f"{name} {alias}" for name, alias in FOR_ROOT.items()]
        for_user = asked(vm, lines)
        assert len(for_user) >= 10
        assert not any(for_user.values()), for_user
        for name in for_user:
            assert vm.run("guest", ["modprobe", name]).returncode != 0
            assert vm.run("guest", f"insmod $(modinfo -n {name})").returncode != 0
            assert name.encode() not in vm.read("root", "/proc/modules").split(), name
            # It is not for a reason of its own that it was not loaded.
            vm.run("root", ["modprobe", name], check=True)
