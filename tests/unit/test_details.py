"""The details of a module, from its file and the kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kmodtui.demo.simulated_kernel import SimulatedKernel
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.services.details import ModuleDetails, ShownParameter, read_details
from kmodtui.services.machine import Machine
from kmodtui.services.root.access import NoRoot
from tests.support.simulated import make_simulated
from tests.support.small_recording import PARTS, RELEASE, Parameter


@pytest.fixture
def kernel(tmp_path: Path) -> SimulatedKernel:
    return make_simulated(tmp_path)


async def details(kernel: SimulatedKernel, name: str) -> ModuleDetails:
    machine = Machine(kernel.host, NoRoot("This is a test."))
    return await read_details(machine, read_modules(kernel.host).by_name.get(name), name)


async def test_a_blacklisted_module_has_the_source_of_the_rule(kernel: SimulatedKernel) -> None:
    assert "blacklist" not in dict((await details(kernel, "nbd")).fields)
    kernel.folder.write("/etc/modprobe.d/a.conf", b"# none\nblacklist nbd\n")
    (told,) = dict((await details(kernel, "nbd")).fields)["blacklist"]
    assert told == "not loaded by alias, only by name (/etc/modprobe.d/a.conf:2)"
    kernel.folder.write("/proc/cmdline", b"quiet module_blacklist=nbd\n")
    told = dict((await details(kernel, "nbd")).fields)["blacklist"][-1]
    assert told == "the kernel refuses it (module_blacklist= on the kernel command line)"


async def test_a_loaded_module_has_its_fields_in_the_files_order(kernel: SimulatedKernel) -> None:
    found = await details(kernel, "ext4")
    assert (found.loaded, found.builtin, found.problem) == (True, False, "")
    assert found.description == "Fourth Extended Filesystem"
    fields = dict(found.fields)
    assert next(iter(fields)) == "filename"
    assert fields["filename"] == (f"/lib/modules/{RELEASE}/kernel/fs/ext4/ext4.ko",)
    assert fields["alias"] == ("fs-ext4", "ext3", "fs-ext3", "ext2", "fs-ext2")
    assert fields["softdep"] == ("pre: crc32c",)
    assert not {"description", "parm", "parmtype"} & fields.keys()


async def test_other_uses_of_a_module_are_a_field(kernel: SimulatedKernel) -> None:
    assert "used by" not in dict((await details(kernel, "ext4")).fields)
    line = b"22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
    kernel.folder.write("/proc/self/mountinfo", line)
    assert dict((await details(kernel, "ext4")).fields)["used by"] == ("mount / (ext4)",)
    assert "used by" not in dict((await details(kernel, "btrfs")).fields)


async def test_taint_flags_come_first_and_are_explained(kernel: SimulatedKernel) -> None:
    (key, values), *_ = (await details(kernel, "hello")).fields
    assert key == "taint"
    assert values == ("OE: out-of-tree, unsigned",)


async def test_parameters_have_the_values_that_the_kernel_shows(kernel: SimulatedKernel) -> None:
    kernel.load("dummy", "numdummies=3")
    (parameter,) = (await details(kernel, "dummy")).parameters
    assert parameter == ShownParameter(
        "numdummies", "int", "Number of dummy pseudo devices", "3", ""
    )


async def test_a_module_that_is_not_loaded_has_no_values(kernel: SimulatedKernel) -> None:
    found = await details(kernel, "nbd")
    assert not found.loaded
    assert {parameter.name for parameter in found.parameters} == {"nbds_max", "max_part"}
    assert {parameter.value for parameter in found.parameters} == {None}
    assert {parameter.why_no_value for parameter in found.parameters} == {"not loaded"}


async def test_a_parameter_without_a_file_is_not_shown_by_the_kernel(
    tmp_path: Path,
) -> None:
    secret = replace(
        PARTS["dummy"], parameters={"hidden": Parameter("int", "Not shown", value=None)}
    )
    kernel = make_simulated(tmp_path, parts={"dummy": secret})
    kernel.load("dummy")
    (parameter,) = (await details(kernel, "dummy")).parameters
    assert (parameter.value, parameter.why_no_value) == (None, "not shown by the kernel")


async def test_parameters_that_only_the_kernel_shows_come_last(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/sys/module/hello/parameters/undeclared", b"7\n")
    parameters = (await details(kernel, "hello")).parameters
    assert [parameter.name for parameter in parameters] == ["greeting", "undeclared"]
    assert (parameters[1].type, parameters[1].value) == ("", "7")


async def test_a_module_without_a_file_has_the_reason_and_its_values(
    kernel: SimulatedKernel,
) -> None:
    (kernel.folder.root / f"lib/modules/{RELEASE}/updates/hello.ko").unlink()
    found = await details(kernel, "hello")
    assert "depmod" in found.problem
    assert [parameter.value for parameter in found.parameters] == ["hello"]
    assert dict(found.fields) == {
        "taint": ("OE: out-of-tree, unsigned",),
        "filename": ("(loaded, no file found)",),
        "srcversion": ("52F2A8BBA1C22B5D6A3FBE1",),
    }


async def test_without_an_index_the_kernels_details_are_shown(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/proc/sys/kernel/osrelease", b"9.9.9\n")
    found = await details(kernel, "virtio_net")
    assert "9.9.9" in found.problem
    assert {parameter.name: parameter.value for parameter in found.parameters} == {
        "csum": "Y",
        "gso": "Y",
        "napi_tx": "Y",
    }


async def test_a_built_in_module(kernel: SimulatedKernel) -> None:
    kernel.folder.write("/sys/module/virtio/parameters/speed", b"9\n")
    found = await details(kernel, "virtio")
    assert (found.builtin, found.loaded) == (True, False)
    (parameter,) = found.parameters
    assert (parameter.name, parameter.value) == ("speed", "9")


async def test_an_unknown_module_is_a_problem_and_not_an_exception(
    kernel: SimulatedKernel,
) -> None:
    found = await details(kernel, "nonsense")
    assert "nonsense" in found.problem
    assert found.fields == found.parameters == ()
