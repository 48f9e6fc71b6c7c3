"""In the demo, devices, drivers, file systems and algorithms appear and disappear with a module."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources

import pytest

from kmodtui.demo import Demo, open_demo
from kmodtui.kernel.inventory import read_inventory
from kmodtui.model.experiment.report import InventoryItem


@pytest.fixture
def demo() -> Iterator[Demo]:
    return open_demo(pace=0)


@pytest.mark.parametrize(
    ("module", "thing"),
    [
        ("btrfs", InventoryItem("file system", "btrfs")),
        ("btrfs", InventoryItem("device", "misc/btrfs-control")),
        ("dummy", InventoryItem("network interface", "dummy0")),
        ("tun", InventoryItem("device", "misc/tun")),
        ("loop", InventoryItem("block major", "7 loop")),
    ],
)
def test_things_appear_and_disappear_with_their_module(
    demo: Demo, module: str, thing: InventoryItem
) -> None:
    before = read_inventory(demo.host)
    assert demo.kernel.load(module).exit == 0
    assert thing in read_inventory(demo.host) - before
    assert demo.kernel.unload(module).exit == 0
    assert thing not in read_inventory(demo.host)


def test_no_module_leaves_anything_behind(demo: Demo) -> None:
    text = resources.files("kmodtui.demo").joinpath("traces.json").read_text()
    before, loaded = read_inventory(demo.host), demo.kernel.loaded
    for module in json.loads(text)["modules"]:
        if demo.kernel.load(module).exit == 0:
            for name in demo.kernel.loaded:
                if name not in loaded:
                    demo.kernel.unload(name)
        gone = {name for name in demo.kernel.loaded if name not in loaded}
        if not gone:
            assert read_inventory(demo.host) == before, module
