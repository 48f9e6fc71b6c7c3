"""The pane of symbols: the last change by itself, right to the number, and a module's symbols."""

from __future__ import annotations

import re

from kmodtui.demo import Demo, open_demo
from kmodtui.demo.moments import Point
from kmodtui.demo.simulated_kernel import SimulatedKernel
from tests.ui.stage import Stage, opened

WITH_BTRFS = ("btrfs", "zstd_compress", "raid6_pq", "blake2b_generic", "xor", "libcrc32c")


def counted(kernel: SimulatedKernel, module: str) -> int:
    """How many rows of /proc/kallsyms a module has: `grep -c`."""
    return kernel.folder.read("/proc/kallsyms").count(f"\t[{module}]\n".encode())


def groups(stage: Stage) -> dict[str, str]:
    """Modules of the change view with the number behind them, in their order."""
    found = re.findall(r"[▸▾] (\S+) +([+−][\d,]+)", stage.pane("symbols"))
    return dict(found)


async def test_the_pane_says_what_it_waits_for(demo: Demo) -> None:
    async with opened(demo) as stage:
        assert "Waiting for a module to be loaded or unloaded" in stage.pane_words("symbols")


async def test_a_load_by_another_shell_is_shown_by_itself_with_the_kernels_numbers(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(200, 50), interval=3600) as stage:
        kernel.load("btrfs")
        await stage.until("4 Change 1")
        expected = {name: f"+{counted(kernel, name)}" for name in WITH_BTRFS}
        assert groups(stage) == expected
        total = sum(counted(kernel, name) for name in WITH_BTRFS)
        assert f"+{total} symbols in 6 modules" in stage.pane("symbols")
        assert "loaded btrfs" in stage.pane("symbols")
        assert list(stage.modules[:6]) == list(kernel.loaded[:6])


async def test_an_unload_by_another_shell_likewise_and_what_stays_is_said(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.load("btrfs")
    expected = {name: f"−{counted(kernel, name)}" for name in WITH_BTRFS}
    async with opened(demo, size=(200, 50), interval=3600) as stage:
        kernel.unload("btrfs")
        await stage.until("4 Change 1")
        assert groups(stage) == expected
        await stage.until("= crc32c_generic stays loaded: softdep of libcrc32c")
        assert "unloaded btrfs" in stage.pane("symbols")
        assert not any(counted(kernel, name) for name in WITH_BTRFS)


async def test_types_of_a_group_add_up_to_its_number(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: kernel.load("btrfs"))
        for module in WITH_BTRFS:
            line = next(line for line in stage.part("#change-lines") if f"▸ {module} " in line)
            types = [int(count) for count in re.findall(r"(?<![+\w])(\d+) [a-z]", line)]
            assert sum(types) == counted(kernel, module), line


async def test_symbols_that_only_init_has_are_not_counted(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        steps = kernel.modprobe.load("tun")
        for moment in steps:
            if moment.point is Point.LIVE:
                await stage.until(lambda: stage.row("tun")[4] == "Live")
                assert counted(kernel, "tun") > 35
        await stage.until("4 Change 1")
        assert groups(stage) == {"tun": "+35"}
        await stage.press("4", "j", "j", "enter")
        await stage.until("▾ tun")
        assert "init_module" not in stage.text
        assert "undefined" not in stage.text


async def test_pseudo_owners_are_never_shown(demo: Demo, kernel: SimulatedKernel) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        kernel.append("/proc/kallsyms", b"ffffffffc0009000 t bpf_prog_0123456789abcdef\t[bpf]\n")
        await stage.other_shell(lambda: kernel.load("vfat"))
        assert set(groups(stage)) == {"vfat", "fat"}
        assert "bpf" not in stage.text
        await stage.press("4", "slash")
        await stage.type("bpf_prog")
        await stage.calm()
        assert "bpf_prog_" not in stage.text.replace("bpf_prog ", "")


async def test_a_group_unfolds_into_its_symbols_and_folds_again(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("4")
        while "▸ vfat" not in stage.highlighted("#change-lines"):
            await stage.press("j")
        await stage.press("enter")
        await stage.until("▾ vfat", "+ t vfat_init_0")
        names = re.findall(r"\+ [a-zA-Z] (vfat_\w+)", stage.pane("symbols"))
        assert names == sorted(names)
        assert "+ T __func__.7" in stage.pane("symbols")
        assert "+ d __func__.7" in stage.pane("symbols")
        await stage.press("j", "enter")
        await stage.until("▸ vfat")
        assert "vfat_init_0" not in stage.text


async def test_v_shows_the_symbols_of_the_selected_module_and_back(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("crc16")
        await stage.press("v")
        await stage.until("4 Symbols of crc16", f"{counted(kernel, 'crc16')} symbols · v: change")
        shown = re.findall(r"(crc16_\w+)", "\n".join(stage.part("#symbol-browser")))
        rows = kernel.folder.read("/proc/kallsyms").decode().splitlines()
        real = [row.split()[2] for row in rows if row.endswith("[crc16]")]
        assert shown == real
        await stage.select("mbcache")
        await stage.until("4 Symbols of mbcache", "mbcache_init_0")
        await stage.press("v")
        await stage.until("Waiting for a module")


async def test_a_change_brings_its_view_back(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("v")
        await stage.until("4 Symbols of hello")
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.until("4 Change 1")


async def test_the_keys_stay_in_the_pane_when_its_view_changes(demo: Demo) -> None:
    async with opened(demo) as stage:
        await stage.press("4")
        await stage.until(lambda: stage.focused_pane == "symbols")
        await stage.press("v")
        await stage.until("4 Symbols of hello")
        assert stage.focused_pane == "symbols"
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.until("4 Change 1")
        assert stage.focused_pane == "symbols"


async def test_the_filter_of_the_change_shows_the_symbols_that_fit(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("4", "slash")
        await stage.type("_read_")
        await stage.until("+ t fat_read_0", "+ t vfat_read_0")
        assert "fat_write_0" not in stage.text
        await stage.press("escape")
        await stage.until_gone("fat_read_0")
        assert groups(stage) == {"fat": "+50", "vfat": "+12"}


async def test_groups_of_a_search_tell_hits_of_all_and_none_is_open_and_empty(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("4", "slash")
        await stage.type("vfat_")
        await stage.until("vfat", "no match for “vfat_” in 1 other module")
        found = re.search(r"▾ vfat +\+(\d+) of 12", stage.pane("symbols"))
        assert found
        assert stage.pane("symbols").count("vfat_") == int(found[1]) + 2  # and the two captions
        assert not re.search(r"[▸▾] fat ", stage.pane("symbols"))
        assert f"/vfat_ · {found[1]} of 62 symbols" in stage.pane("symbols")
        # The types are those of the hits.
        head = next(line for line in stage.part("#change-lines") if "▾ vfat " in line)
        types = re.findall(r"(?<![+\w])(\d+) [a-z]", head.partition("of 12")[2])
        assert sum(map(int, types)) == int(found[1])
        await stage.press("enter")
        # From hit to hit, and no further.
        await stage.until(lambda: "vfat_" in stage.highlighted("#change-lines"))
        first = stage.highlighted("#change-lines")
        await stage.press("n")
        await stage.until(lambda: stage.highlighted("#change-lines") not in ("", first))
        await stage.press("N")
        await stage.until(lambda: stage.highlighted("#change-lines") == first)
        await stage.press("N")
        await stage.until(lambda: "No previous match" in stage.toasts)
        assert stage.highlighted("#change-lines") == first


async def test_the_focus_goes_to_the_change_that_appears_while_a_filter_is_typed(
    demo: Demo,
) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("dummy"))
        await stage.press("4", "v")
        await stage.until(lambda: stage.app.focused and stage.app.focused.id == "symbol-browser")
        await stage.press("slash")
        await stage.type("vfat_")
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("enter", "down")
        await stage.until(lambda: stage.highlighted("#change-lines"))


async def test_facets_show_functions_or_exports_and_all_again(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("4", "f")
        await stage.until("functions · ")
        letters = re.findall(r"^│ +\+ (\S) ", stage.pane("symbols"), re.MULTILINE)
        assert letters
        assert set(letters) <= set("tTwW")
        await stage.press("f")
        await stage.until("exported · ")
        await stage.press("f")
        await stage.until(lambda: groups(stage) == {"fat": "+50", "vfat": "+12"})


async def test_a_search_that_makes_no_sense_is_told_and_nothing_breaks(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("vfat"))
        await stage.press("4", "slash")
        await stage.type("re:(")
        await stage.until("( is not a valid regular expression")
        await stage.type("vfat)_r")
        await stage.until("+ t vfat_read_0")


async def test_hidden_addresses_are_told_with_the_setting_that_hides_them(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    rows = re.sub(rb"(?m)^[0-9a-f]{16}", b"0" * 16, kernel.folder.read("/proc/kallsyms"))
    kernel.folder.write("/proc/kallsyms", rows)

    def without(data: bytes, words: bytes) -> bytes:
        return b"".join(line for line in data.splitlines(keepends=True) if words not in line)

    def unload() -> None:
        kernel.folder.write("/proc/kallsyms", without(rows, b"\t[hello]"))
        modules = kernel.folder.read("/proc/modules")
        kernel.folder.write("/proc/modules", without(modules, b"hello "))

    kernel.folder.write("/proc/sys/kernel/kptr_restrict", b"1\n")
    kernel.folder.write("/proc/self/status", b"CapEff:\t0000000000000000\n")
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(unload)
        await stage.until("Addresses are hidden by kernel.kptr_restrict=1 from processes")
        assert "symbols are compared by name" in stage.pane_words("symbols")
        await stage.press("4", "s")
        await stage.until(lambda: "Sorted by name" in stage.toasts)


async def test_where_addresses_are_hidden_the_modules_file_tells_the_sizes() -> None:
    demo = open_demo(pace=0)
    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(lambda: demo.kernel.load("xor"))
        await stage.press("4")
        while "▸ xor" not in stage.highlighted("#change-lines"):
            await stage.press("j")
        await stage.press("enter")
        # readelf: 123 bytes
        await stage.until(lambda: re.search(r"T xor_blocks .* 123 B", stage.pane("symbols")))
        await stage.press("s")
        await stage.until("by size")
        # The demo's files hold what others use; of the rest nothing is told, and it comes after.
        rows = [line for line in stage.part("#change-lines") if line.startswith("   +")]
        assert "xor_blocks" in rows[0]
        assert len(rows) > 10


async def test_s_sorts_the_symbols_of_the_change_where_addresses_are_seen(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    def load() -> None:
        kernel.append(
            "/proc/kallsyms",
            b"ffffffffc0000300 t aaa\t[odd]\nffffffffc0000100 t bbb\t[odd]\n"
            b"ffffffffc0000200 t ccc\t[odd]\nffffffffc0000208 t ddd\t[odd]\n",
        )
        rows = kernel.folder.read("/proc/modules")
        kernel.folder.write("/proc/modules", b"odd 4096 0 - Live 0xffffffffc0000000\n" + rows)

    def names() -> list[str]:
        return re.findall(r"\+ t (aaa|bbb|ccc|ddd)", stage.pane("symbols"))

    async with opened(demo, size=(200, 50)) as stage:
        await stage.other_shell(load)
        await stage.press("4")
        while "▸ odd" not in stage.highlighted("#change-lines"):
            await stage.press("j")
        await stage.press("enter")
        await stage.until(lambda: names() == ["aaa", "bbb", "ccc", "ddd"])
        await stage.press("s")
        await stage.until(lambda: names() == ["bbb", "ccc", "ddd", "aaa"], "by address")
        await stage.press("s")
        await stage.until(lambda: names() == ["bbb", "ddd", "ccc", "aaa"], "by size", "256 B")


async def test_the_filter_of_the_symbols_shows_those_that_fit(demo: Demo) -> None:
    async with opened(demo, size=(200, 50)) as stage:
        await stage.select("ext4")
        await stage.press("4", "v", "slash")
        await stage.type("_alloc_")
        await stage.until(lambda: "ext4_alloc_4" in stage.pane("symbols"))
        shown = [line.split()[1] for line in stage.part("#symbol-browser") if line.strip()]
        assert shown
        assert all("_alloc_" in name for name in shown)
        await stage.until(f"/_alloc_ · {len(shown)} of 90 symbols · v: change")


async def test_several_modules_of_one_modprobe_are_one_change(demo: Demo) -> None:
    async with opened(demo) as stage:
        for _ in demo.kernel.modprobe.load("btrfs"):
            await stage.handled()
        await stage.until("4 Change 1", "in 6 modules")
        await stage.calm(0.4)
        assert stage.changes == 1


async def test_a_module_that_is_loaded_again_between_two_readings_is_told(demo: Demo) -> None:
    def again() -> None:
        demo.kernel.unload("virtio_net")
        demo.kernel.load("virtio_net")

    async with opened(demo) as stage:
        await stage.other_shell(again)
        assert re.search(r"reloaded .*virtio_net", stage.pane("symbols"))


async def test_without_kallsyms_the_reason_is_said_and_the_rest_works(
    demo: Demo, kernel: SimulatedKernel
) -> None:
    kernel.folder.remove("/proc/kallsyms")
    async with opened(demo, ready=False) as stage:
        await stage.until(lambda: len(stage.modules) == 10)
        await stage.until("There is no /proc/kallsyms")
        await stage.press("v")
        await stage.until("4 Symbols of hello")
        await stage.until_gone("Reading /proc/kallsyms…")
        kernel.hold("ext4", 2)
        await stage.until(lambda: stage.row("ext4")[3] == "3")
