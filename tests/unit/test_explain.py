"""Every row of what people run into on loading and unloading gets its true cause and a remedy."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.errors import ElevationRefusedError, HelperDiedError
from kmodtui.model.explain.explain import Explanation, Facts, Kind, explain, explain_error
from kmodtui.model.log.record import LogRecord
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import Result, ResultCode
from kmodtui.model.text import clean
from kmodtui.model.usage import Usage, Use, UseKind


def failed(number: int | None = None, *log: str, **more: Any) -> Result:
    records = tuple(LogRecord(i, i, 3, text) for i, text in enumerate(log))
    fields = {"subject": "btrfs", "exit": 1, "code": ResultCode.FAILED, **more}
    return Result(False, errno=number, log=records, **fields)


def module(name: str = "btrfs", **fields: Any) -> LoadedModule:
    standard: dict[str, Any] = {
        "size": 4096, "refcount": 0, "users": (), "state": ModuleState.LIVE,
        "taints": "", "permanent": False, "address": 0,
    }  # fmt: skip
    return LoadedModule(name=name, **{**standard, **fields})


def shown(**fields: Any) -> Facts:
    return Facts(loaded={"btrfs": module(**fields)})


@dataclass
class Row:
    """One thing that goes wrong, and words that must be in what is said about it."""

    what: str
    verb: Verb
    result: Result
    says: list[str]
    facts: Facts = field(default_factory=Facts)


MOUNTED = Usage(
    {"btrfs": (Use(UseKind.MOUNT, "/mnt (btrfs)", "/proc/self/mountinfo: /mnt"),)}, unseen=3
)

ROWS = [
    Row("in use by modules", Verb.UNLOAD, failed(errno.EAGAIN),
        ["in use by a, b", "Unload a, b first"], shown(refcount=2, users=("a", "b"))),
    Row("in use by others", Verb.UNLOAD, failed(errno.EAGAIN),
        ["2 references", "no mount, open file", "findmnt, lsof or ss"], shown(refcount=2)),
    Row("permanent", Verb.UNLOAD, failed(errno.EBUSY),
        ["permanent", "until the next boot"], shown(permanent=True)),
    Row("still loading", Verb.UNLOAD, failed(errno.EBUSY),
        ["still loading"], shown(state=ModuleState.LOADING, refcount=1)),
    Row("exit hangs", Verb.UNLOAD, failed(errno.EBUSY),
        ["already unloading", "running its exit function"],
        shown(state=ModuleState.UNLOADING, refcount=-1)),
    Row("no CONFIG_MODULE_UNLOAD", Verb.UNLOAD, failed(errno.ENOSYS),
        ["cannot unload", "CONFIG_MODULE_UNLOAD"], shown(refcount=None)),
    Row("built in", Verb.LOAD, failed(code=ResultCode.BUILT_IN),
        ["built in", "kernel command line", "btrfs.parameter=value"]),
    Row("already loaded", Verb.LOAD, failed(errno.EEXIST, code=ResultCode.ALREADY_LOADED),
        ["already loaded", "Live", "Reload"], shown()),
    Row("vanished", Verb.UNLOAD, failed(errno.ENOENT, code=ResultCode.NOT_LOADED),
        ["not loaded", "in the meantime"]),
    Row("wrong value", Verb.LOAD,
        failed(errno.EINVAL, "btrfs: `abc' invalid for parameter `numdummies'"),
        ["'abc'", "numdummies", "type int", "invalid for parameter"],
        Facts(parameters={"numdummies": "int"})),
    Row("init refuses a value", Verb.LOAD, failed(errno.EINVAL, "btrfs: max_part can't be 100000"),
        ["Invalid argument for", "Check the parameters", "max_part can't be"]),
    Row("symbol of a module that is not loaded", Verb.LOAD,
        failed(errno.ENOENT, "btrfs: Unknown symbol xor_blocks (err -2)"),
        ["xor_blocks", "which xor exports", "Load xor first"],
        Facts(providers={"xor_blocks": "xor"})),
    Row("symbol of nobody", Verb.LOAD,
        failed(errno.ENOENT, "btrfs: Unknown symbol secret (err -2)"),
        ["secret", "only GPL-compatible modules", "rebuild"]),
    Row("symbol of another version", Verb.LOAD,
        failed(errno.EINVAL, "btrfs: disagrees about version of symbol printk",
               "btrfs: Unknown symbol printk (err -22)"),
        ["printk", "another version", "Rebuild"]),
    Row("module_layout", Verb.LOAD,
        failed(errno.ENOEXEC, "btrfs: disagrees about version of symbol module_layout"),
        ["configuration or compiler", "Rebuild"]),
    Row("namespace", Verb.LOAD,
        failed(errno.EINVAL, "btrfs: module uses symbol (dma_buf_get) from namespace DMA_BUF, "
                             "but does not import it."),
        ["DMA_BUF", "dma_buf_get", "MODULE_IMPORT_NS"]),
    Row("vermagic", Verb.LOAD,
        failed(errno.ENOEXEC, "btrfs: version magic '6.1.0-9 SMP ' should be '6.1.0-13 SMP '"),
        ["6.1.0-9 SMP”", "difference: 6.1.0-13", "Rebuild"]),
    Row("duplicate symbol", Verb.LOAD,
        failed(errno.ENOEXEC, "btrfs: exports duplicate symbol foo (owned by other)"),
        ["other", "foo", "Unload other first"]),
    Row("unsigned", Verb.LOAD, failed(errno.EKEYREJECTED, "Loading of unsigned module is rejected"),
        ["signature", "unsigned module is rejected", "enrol the key"]),
    Row("bad signature, nothing in the log", Verb.LOAD, failed(errno.EKEYREJECTED),
        ["signature", "not valid"]),
    Row("key missing", Verb.LOAD, failed(errno.ENOKEY), ["not signed with a key"]),
    Row("damaged signature", Verb.LOAD, failed(errno.EBADMSG), ["damaged", "again"]),
    Row("lockdown, told", Verb.LOAD,
        failed(errno.EPERM, "Lockdown: modprobe: unsigned module loading is restricted; see man "
                            "kernel_lockdown.7"),
        ["locked down", "unsigned module loading is restricted", "(integrity)", "Sign"],
        Facts(lockdown="integrity")),
    Row("lockdown, silent", Verb.LOAD, failed(errno.EPERM),
        ["locked down", "confidentiality"], Facts(lockdown="confidentiality")),
    Row("EPERM on unloading under lockdown", Verb.UNLOAD, failed(errno.EPERM),
        ["Unloading modules was refused", "CAP_SYS_MODULE"],
        Facts(loaded={"btrfs": module()}, lockdown="integrity")),
    Row("modules_disabled", Verb.LOAD, failed(errno.EPERM),
        ["disabled until reboot", "modules_disabled: 1"], Facts(modules_disabled=True)),
    Row("modules_disabled on unloading", Verb.UNLOAD, failed(errno.EPERM),
        ["disabled until reboot"], Facts(loaded={"btrfs": module()}, modules_disabled=True)),
    Row("module_blacklist", Verb.LOAD, failed(errno.EPERM),
        ["blocked by the kernel command line", "module_blacklist=a,btrfs"],
        Facts(command_line="quiet module_blacklist=a,btrfs ro")),
    Row("container", Verb.LOAD, failed(errno.EPERM), ["host"], Facts(in_user_namespace=True)),
    Row("EPERM of unknown cause", Verb.LOAD, failed(errno.EPERM), ["CAP_SYS_MODULE"]),
    Row("no device", Verb.LOAD, failed(errno.ENODEV),
        ["no device", "pci:v00008086"], Facts(wanted_devices=["pci:v00008086d*"])),
    Row("registered already", Verb.LOAD, failed(errno.EEXIST), ["already exists"]),
    Row("not ELF", Verb.LOAD,
        failed(errno.ENOEXEC, "Invalid ELF header magic: != \x7fELF"),
        ["not a module for this kernel", "Invalid ELF header magic"]),
    Row("not ELF, silent", Verb.LOAD, failed(errno.ENOEXEC), ["not a module for this kernel"]),
    Row("unknown name", Verb.LOAD, failed(errno.ENOENT, code=ResultCode.UNKNOWN_MODULE,
                                       subject="brtfs"),
        ["no module brtfs", "Did you mean btrfs?"],
        Facts(release="6.1", available={"btrfs", "ext4"})),
    Row("directory gone", Verb.LOAD, failed(errno.ENOENT, code=ResultCode.UNKNOWN_MODULE),
        ["upgraded", "Reboot"], Facts(release="6.1", no_index=("It was upgraded.", "Reboot."))),
    Row("install rule", Verb.LOAD,
        failed(None, output="install /bin/false\nmodprobe: ERROR: retcode 1\n"),
        ["install rule", "/etc/modprobe.d/x.conf:3", "install /bin/false"],
        Facts(install_rules={"btrfs": "/etc/modprobe.d/x.conf:3: install btrfs /bin/false"})),
    Row("waits for another", Verb.LOAD,
        failed(errno.EBUSY, "btrfs: gave up waiting for init of module xor."),
        ["xor hangs in its init function"]),
    Row("init hangs", Verb.LOAD,
        failed(code=ResultCode.TIMEOUT, took=60.0, after={"btrfs": "Loading"}),
        ["timed out", "60 s", "Loading", "in the background"]),
    Row("exit 0 and not there", Verb.LOAD, failed(code=ResultCode.NOT_DONE, exit=0),
        ["still not loaded", "reported success"]),
    Row("exit 0 and still there", Verb.UNLOAD, failed(code=ResultCode.NOT_DONE, exit=0),
        ["still loaded", "remove rule"], shown()),
    Row("no modprobe", Verb.LOAD, failed(code=ResultCode.NO_MODPROBE, message="It is BusyBox's."),
        ["no usable modprobe", "BusyBox's", "Install kmod"]),
    Row("no modules", Verb.LOAD, failed(code=ResultCode.NO_MODULES, message="No /proc/modules."),
        ["cannot be found", "No /proc/modules"]),
    Row("held by a mount that was found", Verb.UNLOAD, failed(errno.EAGAIN),
        ["Held by mount /mnt (btrfs).", "/proc/self/mountinfo: /mnt", "Unmount it first."],
        Facts(loaded={"btrfs": module(refcount=1)}, usage=MOUNTED)),
    Row("held by a mount that was found, and by others", Verb.UNLOAD, failed(errno.EAGAIN),
        ["1 of 4 references not held by modules was found", "mount /mnt (btrfs)",
         "3 processes of other users cannot be inspected without root"],
        Facts(loaded={"btrfs": module(refcount=4)}, usage=MOUNTED)),
    Row("reload of what is in use", Verb.RELOAD, failed(errno.EAGAIN),
        ["in use by a", "Unload a first"], shown(refcount=1, users=("a",))),
    Row("reload that does not come back", Verb.RELOAD,
        failed(errno.EINVAL, "btrfs: `x' invalid for parameter `p'"),
        ["does not accept 'x'", "had unloaded btrfs; it is not loaded now"]),
    Row("index that others can write", Verb.LOAD,
        failed(errno.EPERM, code=ResultCode.NO_MODULES,
               message="/lib/modules/6.1 can be written by others than root."),
        ["does not trust", "/lib/modules/6.1 can be written", "chmod go-w"]),
    Row("file that was written meanwhile", Verb.INSERT, failed(code=ResultCode.CHANGED_FILE),
        ["changed since it was confirmed", "new plan"]),
    Row("compressed file", Verb.INSERT, failed(code=ResultCode.COMPRESSED),
        ["cannot decompress", "zstd -d"]),
    Row("inserting for another kernel", Verb.INSERT,
        failed(errno.ENOEXEC, "btrfs: version magic '6.2 SMP ' should be '6.1.0-13 SMP '"),
        ["built for another kernel", "difference: 6.1.0-13"]),
    Row("BTF of another build", Verb.LOAD,
        failed(errno.EINVAL, "BPF: Invalid name", "failed to validate module [btrfs] BTF: -22"),
        ["another build of this kernel", "Reinstall the kernel's package", "objcopy -R .BTF",
         "failed to validate module [btrfs]"]),
    Row("xz with CRC64", Verb.LOAD,
        failed(errno.EINVAL, "module: decompression failed with status 6"),
        ["CRC32", "1 MiB", "xz --check=crc32 --lzma2=dict=1MiB"]),
    Row("damaged compressed file", Verb.LOAD,
        failed(errno.EINVAL, "decompression failed with status 7"), ["is damaged", "again"]),
    Row("relocation refused", Verb.LOAD,
        failed(errno.ENOEXEC, "module: x86/modules: Skipping invalid relocation target, existing "
                              "value is nonzero for type 1, loc 000000006152724f"),
        ["cannot relocate btrfs", "built with gcc-12", "/proc/version"], Facts(compiler="gcc-12")),
    Row("relocation out of range", Verb.LOAD,
        failed(errno.ENOEXEC, "btrfs: section 4 reloc 0 sym 'x': relocation 28 out of range"),
        ["cannot relocate btrfs", "relocation 28 out of range"]),
    Row("LoadPin, decompressed", Verb.LOAD,
        failed(errno.EPERM, 'LoadPin: kernel-module old-api-denied obj=<unknown> pid=810 '
                            'cmdline="modprobe btrfs"'),
        ["LoadPin", "decompression in user space", "uncompressed", "loadpin.enforce=0"]),
    Row("LoadPin, another file system", Verb.LOAD,
        failed(errno.EPERM, 'LoadPin: kernel-module pinning-denied obj="/x.ko" pid=8'),
        ["LoadPin", '"/x.ko"', "same file system"]),
    Row("Chromium OS", Verb.LOAD,
        failed(errno.EPERM, 'Chromium OS LSM: init_module denied module="/usr/local/x.ko" pid=1'),
        ["Chromium OS", "/usr/local/x.ko", "root file system"]),
    Row("SUSE, unsupported", Verb.LOAD,
        failed(errno.EPERM, output="modprobe: ERROR: module 'btrfs' is unsupported\n"),
        ["not supported by SUSE", "allow_unsupported_modules", "is unsupported"]),
    Row("key of DKMS that is not enrolled", Verb.LOAD,
        failed(errno.EKEYREJECTED, "Loading of module with unavailable key is rejected"),
        ["signed by “DKMS module signing key”", "mokutil --import /var/lib/dkms/mok.pub"],
        Facts(signer="DKMS module signing key", key_file="/var/lib/dkms/mok.pub")),
    Row("key missing, signer known", Verb.LOAD, failed(errno.ENOKEY),
        ["signed by “me”", "Install the distribution"], Facts(signer="me")),
    Row("init refuses a given parameter", Verb.LOAD, failed(errno.EINVAL),
        ["loaded with max_part=9 (given), x=1 (/etc/modprobe.d/a.conf:3)"],
        Facts(given=["max_part=9 (given)", "x=1 (/etc/modprobe.d/a.conf:3)"])),
    Row("errno of no row", Verb.LOAD, failed(errno.EXDEV), ["Could not load", "EXDEV"]),
    Row("no errno at all", Verb.LOAD, failed(None), ["Could not load", "status 1"]),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_failure_is_told_with_its_true_cause(row: Row) -> None:
    told = explain(row.verb, ["btrfs"], row.result, row.facts)
    text = "\n".join([told.title, told.cause, *proof(told), told.remedy])
    for words in row.says:
        assert words in text, text
    assert told.kind is Kind.FAILURE
    assert told.cause.endswith(".")


def test_every_row_has_a_telling_of_its_own() -> None:
    told = {explain(row.verb, ["btrfs"], row.result, row.facts).cause for row in ROWS}
    assert len(told) >= len(ROWS) - 4  # a few rows are one cause seen twice


def test_the_kernels_line_is_the_evidence() -> None:
    line = "btrfs: Unknown symbol secret (err -2)"
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENOENT, "usb 1-1: noise", line))
    assert told.evidence == (line,)


FOREIGN = [
    "failed to validate module [nvidia] BTF: -22",
    "nvidia: Unknown symbol drm_foo (err -2)",
    "nvidia: version magic '6.1.0-9 SMP ' should be '6.1.0-13 SMP '",
    "module: nvidia: disagrees about version of symbol module_layout",
    "snd-hda: `abc' invalid for parameter `index'",
    "nvidia: module has no symbols (stripped?)",
    "Lockdown: Xorg: raw io port access is restricted; see man kernel_lockdown.7",
]


@pytest.mark.parametrize("line", FOREIGN)
def test_what_the_kernel_said_of_anothers_module_explains_nothing(line: str) -> None:
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENODEV, line))
    assert told.title == "btrfs found no device"


@pytest.mark.parametrize("prefix", ["", "module: "])
def test_what_the_kernel_said_of_a_dependency_explains_its_failure(prefix: str) -> None:
    line = f"{prefix}xor_neon: Unknown symbol secret (err -2)"
    output = "insmod /lib/modules/6.1/kernel/lib/xor-neon.ko \nmodprobe: ERROR: x\n"
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENOENT, line, output=output))
    assert told.cause.startswith("xor_neon imports the symbol secret")
    assert told.evidence == (line,)


def test_an_optional_dependency_that_failed_is_not_why_the_module_did() -> None:
    line = "crc_soft: Unknown symbol secret (err -2)"
    output = "insmod /m/crc-soft.ko\ninsmod /m/btrfs.ko\n"
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENODEV, line, output=output))
    assert told.title == "btrfs found no device"


def test_a_success_is_not_doubted_for_anothers_lines() -> None:
    lines = ("snd_hda: unknown parameter 'abc' ignored", "nvidia: module license taints kernel.")
    log = tuple(LogRecord(1, 1, 4, text) for text in lines)
    told = explain(Verb.LOAD, ["dummy"], Result(True, ResultCode.DONE, subject="dummy", log=log))
    assert told.kind is Kind.DONE
    assert told.evidence == ()


def test_an_ignored_parameter_of_a_dependency_is_told_as_the_dependencys() -> None:
    log = (LogRecord(1, 1, 4, "xor: unknown parameter 'speeds' ignored"),)
    output = "insmod /m/xor.ko speeds=1\ninsmod /m/btrfs.ko\n"
    answer = Result(True, ResultCode.DONE, subject="btrfs", log=log, output=output)
    told = explain(Verb.LOAD, ["btrfs"], answer, Facts(parameters={"speed": "int"}))
    assert told.kind is Kind.WARNING
    assert told.cause.startswith("xor has no parameter speeds.")
    assert "Did you mean" not in told.remedy
    assert told.evidence == (log[0].text,)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_each_line_that_proves_it_stands_where_it_comes_from(row: Row) -> None:
    told = explain(row.verb, ["btrfs"], row.result, row.facts)
    assert set(told.evidence) <= {clean(record.text) for record in row.result.log}
    assert set(told.output) <= set(row.result.output.splitlines())
    known = ("/proc/", "/sys/", "/etc/modprobe.d/")
    assert all(line.startswith(known) for line in told.shown)


def test_what_modprobe_printed_last_stands_in_for_a_silent_kernel() -> None:
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENODEV, output="one\ntwo\n"))
    assert (told.evidence, told.output, told.shown) == ((), ("two",), ())


def test_a_dependency_that_fails_is_the_one_that_is_named() -> None:
    output = "insmod /lib/modules/6.1/kernel/lib/xor-neon.ko \nmodprobe: ERROR: x\n"
    told = explain(Verb.LOAD, ["btrfs"], failed(errno.ENODEV, output=output))
    assert "xor_neon" in told.title


def test_an_ignored_parameter_is_a_warning_with_the_near_name() -> None:
    log = (LogRecord(1, 1, 4, "dummy: unknown parameter 'numdumies' ignored"),)
    answer = Result(True, ResultCode.DONE, subject="dummy", log=log)
    told = explain(Verb.LOAD, ["dummy"], answer, Facts(parameters={"numdummies": "int"}))
    assert told.kind is Kind.WARNING
    assert "numdumies was ignored" in told.title
    assert "Did you mean numdummies?" in told.remedy
    assert told.evidence == ("dummy: unknown parameter 'numdumies' ignored",)


def test_two_who_unload_at_once_are_both_told_that_it_is_gone() -> None:
    told = explain(Verb.UNLOAD, ["btrfs"], failed(errno.EBUSY, after={"btrfs": None}))
    assert told.kind is Kind.WARNING
    assert "no longer loaded" in told.title


@pytest.mark.parametrize(
    ("verb", "title"),
    [
        (Verb.LOAD, "Loaded btrfs"),
        (Verb.RELOAD, "Reloaded btrfs"),
        (Verb.INSERT, "Inserted btrfs"),
    ],
)
def test_what_worked_is_called_by_its_name(verb: Verb, title: str) -> None:
    told = explain(verb, ["btrfs"], Result(True, ResultCode.DONE, took=0.4), shown())
    assert (told.kind, told.title) == (Kind.DONE, title)


def test_success_without_a_doubt_is_said_briefly() -> None:
    told = explain(Verb.UNLOAD, ["a", "b-c"], Result(True, ResultCode.DONE, took=0.4))
    assert told.kind is Kind.DONE
    assert told.title == "Unloaded a, b_c"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (HelperDiedError("It died.", "Read again."), "Requested: load btrfs."),
        (ElevationRefusedError("No sudo.", "Look only."), "btrfs was not loaded."),
    ],
)
def test_an_error_beside_the_kernel_is_explained_as_well(error: Any, outcome: str) -> None:
    told = explain_error(Verb.LOAD, ["btrfs"], error)
    assert told.cause == f"{error.message} {outcome}"
    assert told.remedy == error.hint


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from([Verb.LOAD, Verb.UNLOAD]))
def test_no_text_of_the_kernel_reaches_the_screen_unclean(
    log: str, output: str, verb: Verb
) -> None:
    answer = failed(errno.EINVAL, f"btrfs: `{log}' invalid for parameter `{log}'", output=output)
    told = explain(verb, ["btrfs"], answer)
    assert_clean(told)


@given(st.text(max_size=40))
def test_no_name_reaches_the_screen_unclean(name: str) -> None:
    assert_clean(explain(Verb.LOAD, [name], failed(None, subject=name)))
    assert_clean(explain_error(Verb.LOAD, [name], HelperDiedError(name)))


def proof(told: Explanation) -> tuple[str, ...]:
    return (*told.evidence, *told.output, *told.shown)


def assert_clean(told: Explanation) -> None:
    for text in (told.title, told.cause, told.remedy, *proof(told)):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
