"""/proc/modules is parsed as kernel/module/procfs.c writes it, without trusting it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodtui.errors import NoModuleSupportError, UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.proc_modules import has_module_support, parse_modules, read_modules
from kmodtui.model.modules import LoadedModule, ModuleState


def line(text: str | bytes) -> LoadedModule:
    """The one module in a line."""
    data = text.encode() if isinstance(text, str) else text
    table = parse_modules(data + b"\n")
    assert table.malformed == ()
    (module,) = table
    return module


def test_a_line_is_parsed() -> None:
    assert line("xor 24576 1 btrfs, Live 0xffffffffc0442000") == LoadedModule(
        name="xor",
        size=24576,
        refcount=1,
        users=("btrfs",),
        state=ModuleState.LIVE,
        taints="",
        permanent=False,
        address=0xFFFFFFFFC0442000,
    )


def test_users_are_in_the_kernels_order_and_a_dash_means_none() -> None:
    assert line("a 1 3 z,b,c, Live 0x0").users == ("z", "b", "c")
    assert line("a 1 0 - Live 0x0").users == ()


def test_permanent_is_not_a_user() -> None:
    alone = line("binder_linux 204800 0 [permanent], Live 0x0")
    assert (alone.permanent, alone.users) == (True, ())
    with_users = line("soundcore 16384 1 snd,[permanent], Live 0x0")
    assert (with_users.permanent, with_users.users) == (True, ("snd",))
    assert not line("a 1 1 permanent, Live 0x0").permanent


def test_without_module_unload_there_is_no_reference_count() -> None:
    module = line("a 16384 - - Live 0x0")
    assert module.refcount is None
    assert module.users == ()
    assert module.other_references == 0


def test_a_module_that_is_unloading_has_a_count_of_minus_one() -> None:
    module = line("dummy 20480 -1 - Unloading 0x0 (E-)")
    assert (module.refcount, module.state) == (-1, ModuleState.UNLOADING)
    assert module.other_references == 0
    assert module.taints == "E"


@pytest.mark.parametrize(
    ("field", "letters"),
    [
        ("", ""),
        (" (FE)", "FE"),
        (" (OE+)", "OE"),
        (" (OE-)", "OE"),
        (" (+)", ""),
        (" (PXYZ)", "PXYZ"),
    ],
)
def test_taint_flags_lose_the_signs_for_loading_and_unloading(field: str, letters: str) -> None:
    assert line(f"a 1 0 - Live 0x0{field}").taints == letters


def test_other_references() -> None:
    assert line("ext4 1 3 overlay, Live 0x0").other_references == 2
    assert line("ext4 1 0 overlay, Live 0x0").other_references == 0


def test_hidden_addresses_are_zero() -> None:
    assert line("a 1 0 - Live 0x0000000000000000").address == 0
    assert line("a 1 0 - Live 0x0").address == 0
    for hidden in ("0x          (null)", "(null)", "          (null)"):
        assert line(f"a 1 0 - Live {hidden} (OE)")[5:] == ("OE", False, 0)


def test_a_name_may_have_55_characters() -> None:
    name = "n" * 55
    assert line(f"{name} 1 0 {name}, Live 0x0").users == (name,)


def test_modules_are_in_the_kernels_order_newest_first() -> None:
    table = parse_modules(b"b 1 0 - Live 0x0\na 2 0 - Loading 0x0\n")
    assert [module.name for module in table] == ["b", "a"]
    assert table.live == {"b"}
    assert not table.settled
    assert table.total_size == 3


@pytest.mark.parametrize(
    "bad",
    [
        b"garbage",
        b"a 1 0 - Live",
        b"a 1 0 - Live 0x0 (O",
        b"a 1 0 - Live 0x0 O)",
        b"a 1 0 - Live 0x0 (O) more",
        b"a one 0 - Live 0x0",
        b"a -1 0 - Live 0x0",
        b"a 1_0 0 - Live 0x0",
        b"a 1 -7 - Live 0x0",
        "a ١ 0 - Live 0x0".encode(),
        b"a " + b"9" * 5000 + b" 0 - Live 0x0",
        b"a 1 0 - Resting 0x0",
        b"a 1 0 - Live zero",
        b"a 1 0 - Live 0xfg",
        b"a  1 0 - Live 0x0",
        b" 1 0 - Live 0x0",
        b"a\t1\t0\t-\tLive\t0x0",
        b"a 1 0 - Live 0x0\r",
        b"\0",
    ],
)
def test_a_malformed_line_is_kept_separately(bad: bytes) -> None:
    table = parse_modules(b"good 1 0 - Live 0x0\n" + bad + b"\nfine 1 0 - Live 0x0\n")
    assert [module.name for module in table] == ["good", "fine"]
    assert len(table.malformed) == 1
    assert table.malformed[0].isprintable()


@pytest.mark.parametrize("length", range(1, 40))
def test_a_truncated_line_is_kept_separately(length: int) -> None:
    whole = b"hello 16384 0 - Live 0xffffffffc0000000 (OE)\n"
    cut = whole[:-length]
    table = parse_modules(b"good 1 0 - Live 0x0\n" + cut)
    assert [module.name for module in table] == ["good"]
    assert table.malformed == (cut.decode(),)


def test_a_line_printed_twice_is_one_module() -> None:
    # A load between two pages moves the lines of other modules to the next page.
    table = parse_modules(b"b 1 0 - Live 0x0\na 1 0 - Live 0x0\na 1 0 - Live 0x0\n")
    assert [module.name for module in table] == ["b", "a"]


def test_control_characters_are_cleaned() -> None:
    table = parse_modules(
        b"evil\x1b[2J 1 0 us\x9ber,\xff, Live 0x0 (\x07)\n\x1b]0;title\x07 nonsense \xe2\x80\xae\n"
    )
    (module,) = table
    assert module.name == "evil\\x1b[2J"
    assert module.users == ("us\\x9ber", "\\xff")
    texts = [module.name, *module.users, module.taints, *table.malformed]
    assert all(text.isprintable() for text in texts)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_table_of_printable_text(data: bytes) -> None:
    table = parse_modules(data)
    assert table.raw == data
    for module in table:
        assert all(text.isprintable() for text in (module.name, *module.users, module.taints))
    assert all(text.isprintable() for text in table.malformed)


_name = st.from_regex(r"[a-z0-9_]{1,55}", fullmatch=True)
_modules = st.builds(
    LoadedModule,
    name=_name,
    size=st.integers(0, 2**40),
    refcount=st.none() | st.integers(-1, 2**31),
    users=st.lists(_name, max_size=4).map(tuple),
    state=st.sampled_from(ModuleState),
    taints=st.text("PFOECX", max_size=3),
    permanent=st.booleans(),
    address=st.integers(0, 2**64 - 1),
)


def printed(module: LoadedModule) -> str:
    """The line as `m_show` prints it."""
    users = "".join(f"{user}," for user in module.users)
    users += "[permanent]," if module.permanent else ""
    sign = {"Loading": "+", "Unloading": "-"}.get(module.state, "")
    taints = f" ({module.taints}{sign})" if module.taints else ""
    count = "-" if module.refcount is None else module.refcount
    return (
        f"{module.name} {module.size} {count} {users or '-'} {module.state} "
        f"0x{module.address:016x}{taints}\n"
    )


@given(st.lists(_modules, max_size=8, unique_by=lambda module: module.name))
def test_a_line_is_parsed_without_loss(modules: list[LoadedModule]) -> None:
    table = parse_modules("".join(map(printed, modules)).encode())
    assert table.modules == tuple(modules)
    assert table.malformed == ()


def test_a_kernel_without_modules_is_reported_with_a_remedy(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    assert not has_module_support(host)
    with pytest.raises(NoModuleSupportError, match="no /proc/modules") as caught:
        read_modules(host)
    assert "--demo" in caught.value.hint


def test_no_loaded_modules_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/modules").write_bytes(b"")
    assert has_module_support(LocalHost(tmp_path))
    assert len(read_modules(LocalHost(tmp_path))) == 0


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "proc/modules")
    with pytest.raises(UnreadableError, match=r"/proc/modules cannot be read: Is a directory\."):
        read_modules(LocalHost(tmp_path))


class BusyHost(LocalHost):
    """A host whose /proc/modules has different content at each read, and then the last one."""

    def __init__(self, *readings: bytes) -> None:
        super().__init__()
        self.left = list(readings)

    def read(self, path: str, limit: int = -1) -> bytes:
        assert path == "/proc/modules"
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def test_it_is_read_again_if_a_line_was_missed_between_two_pages() -> None:
    whole = b"b 1 0 - Live 0x0\na 1 0 - Live 0x0\n"
    missed = b"c 1 0 - Live 0x0\nb 1 0 - Live 0x0\n"  # c was unloaded during this read
    assert set(read_modules(BusyHost(missed, whole)).by_name) == {"a", "b"}


def test_reading_ends_even_if_modules_change_all_the_time() -> None:
    host = BusyHost(*(f"a {size} 0 - Live 0x0\n".encode() for size in range(9)))
    assert read_modules(host).by_name["a"].size == 2
