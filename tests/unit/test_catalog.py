"""Finding modules by name, alias and path, as kmod finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodtui.errors import ModuleFileError, UnknownModuleError, UnreadableError
from kmodtui.kernel.host import LocalHost
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import installed_releases
from kmodtui.kernel.index.release import find_module, read_index
from kmodtui.kernel.index.state import index_problems
from tests.support.elf import make_module

RELEASE = "6.1.0-test"

DEP = """\
kernel/fs/btrfs/btrfs.ko: kernel/lib/zstd/zstd_compress.ko kernel/crypto/xor.ko.xz
kernel/lib/zstd/zstd_compress.ko:
kernel/crypto/xor.ko.xz:
kernel/sound/snd-pcm.ko: kernel/sound/snd.ko
kernel/sound/snd.ko:
/usr/local/vendor/thing.ko: kernel/sound/snd.ko
"""
ALIAS = """\
# Aliases extracted from modules themselves.
alias fs-btrfs btrfs
alias pci:v00001234d*sv*sd*bc03sc*i* snd_pcm
alias pci:v00001234d*sv*sd*bc*sc*i* thing
alias pci:v00001234d00000001sv*sd*bc*sc*i* snd_pcm
alias usb:v1234p*d010[0-5]dc* snd
"""
SOFTDEP = """\
softdep btrfs pre: blake2b-256 sha256 post: late
softdep btrfs pre: never-read
softdep snd gcm
softdep thing pre: a post: b pre: c
"""
BUILTIN_MODINFO = (
    b"unix.alias=net-pf-1\0unix.license=GPL\0"
    b"8250.parm=nr_uarts:How many.\0"
    b"unix.license=a second run, which kmod does not see\0"
    b"snd_builtin.alias=snd-*-[a-z]\0"
    b"unix.alias=acpi*:UNIX0001:*\0"
)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    folder = tmp_path / "lib/modules" / RELEASE
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text(DEP)
    (folder / "modules.alias").write_text(ALIAS)
    (folder / "modules.softdep").write_text(SOFTDEP)
    (folder / "modules.weakdep").write_text("weakdep snd-pcm one two\n")
    (folder / "modules.symbols").write_text("# x\nalias symbol:snd_card_new snd\n")
    (folder / "modules.builtin").write_text("kernel/net/unix/unix.ko\nkernel/tty/8250.ko\n")
    (folder / "modules.builtin.modinfo").write_bytes(BUILTIN_MODINFO)
    return LocalHost(tmp_path)


@pytest.fixture
def index(host: LocalHost) -> ModuleIndex:
    return read_index(host, RELEASE)


def folder_of(host: LocalHost) -> Path:
    return host.root / "lib/modules" / RELEASE


def put(host: LocalHost, path: str, *modinfo: bytes) -> None:
    file = Path(host.locate(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(make_module(modinfo or (b"license=GPL",)))


def test_names_are_spelled_as_in_kmod(index: ModuleIndex) -> None:
    assert index.names == ("btrfs", "snd", "snd_pcm", "thing", "xor", "zstd_compress")
    assert index.builtin_names == ("8250", "unix")
    assert "snd-pcm" in index
    assert "unix" not in index


def test_paths_are_absolute(index: ModuleIndex) -> None:
    assert index.path_of("snd-pcm") == f"/lib/modules/{RELEASE}/kernel/sound/snd-pcm.ko"
    assert index.path_of("thing") == "/usr/local/vendor/thing.ko"
    assert index.path_of("unix") is None


def test_dependencies_are_in_load_order(index: ModuleIndex) -> None:
    assert index.dependencies("btrfs") == ("xor", "zstd_compress")
    assert index.dependencies("snd") == index.dependencies("nothing") == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("snd-pcm", ("snd_pcm",)),
        ("fs-btrfs", ("btrfs",)),
        ("symbol:snd_card_new", ("snd",)),
        ("usb:v1234p0001d0104dc00", ("snd",)),
        ("usb:v1234p0001d0106dc00", ()),
        ("pci:v00001234d00000001sv00sd00bc03sc00i00", ("snd_pcm", "thing")),
        ("pci:v00001234d00000002sv00sd00bc04sc00i00", ("thing",)),
        ("unix", ("unix",)),
        ("net-pf-1", ("unix",)),
        ("snd-anything-x", ("snd_builtin",)),
        ("snd.ko", ()),
        ("nothing", ()),
        ("open[bracket", ()),
    ],
)
def test_a_name_or_alias_resolves_as_in_kmod(
    index: ModuleIndex, text: str, names: tuple[str, ...]
) -> None:
    assert index.resolve(text) == names


def test_builtin_modules_have_the_modinfo_that_the_kernel_recorded(index: ModuleIndex) -> None:
    assert index.is_builtin("unix")
    unix = index.builtin_info("unix")
    assert unix.builtin
    assert [(field.key, field.value) for field in unix.fields] == [
        ("alias", "net-pf-1"),
        ("license", "GPL"),
    ]
    assert index.builtin_info("8250").parameters[0].name == "nr_uarts"
    with pytest.raises(UnknownModuleError):
        index.builtin_info("snd")


def test_an_alias_in_a_second_run_of_a_builtin_module_finds_it(index: ModuleIndex) -> None:
    """So it is with the aliases for devices of kernels of 2026, for depmod and modprobe."""
    assert index.resolve("acpi:UNIX0001:") == ("unix",)
    assert ("alias", "acpi*:UNIX0001:*") not in index.builtin_info("unix").fields


def test_without_modinfo_builtin_modules_are_known_by_name(host: LocalHost) -> None:
    (folder_of(host) / "modules.builtin.modinfo").unlink()
    (info,) = find_module(host, RELEASE, "unix")
    assert (info.name, info.fields) == ("unix", ())


def test_find_by_name_alias_and_path(host: LocalHost) -> None:
    put(host, f"/lib/modules/{RELEASE}/kernel/fs/btrfs/btrfs.ko", b"license=GPL")
    put(host, "/tmp/own-one.ko", b"license=MIT")
    for text in ("btrfs", "fs-btrfs", f"/lib/modules/{RELEASE}/kernel/fs/btrfs/btrfs.ko"):
        (info,) = find_module(host, RELEASE, text)
        assert (info.name, info.license) == ("btrfs", "GPL")
        assert info.filename == f"/lib/modules/{RELEASE}/kernel/fs/btrfs/btrfs.ko"
    (info,) = find_module(host, RELEASE, "/tmp/own-one.ko")
    assert (info.name, info.license) == ("own_one", "MIT")


def test_a_file_in_the_current_directory_is_found_by_its_name(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "own.ko").write_bytes(make_module((b"license=MIT",)))
    monkeypatch.chdir(here)
    (info,) = find_module(host, RELEASE, "own.ko", files=LocalHost())
    assert info.filename == f"{here}/own.ko"
    (info,) = find_module(host, RELEASE, "./own.ko", files=LocalHost())
    assert info.filename == f"{here}/./own.ko"


def test_an_alias_of_several_modules_finds_each_once(host: LocalHost) -> None:
    put(host, f"/lib/modules/{RELEASE}/kernel/sound/snd-pcm.ko")
    put(host, "/usr/local/vendor/thing.ko")
    found = find_module(host, RELEASE, "pci:v00001234d00000001sv00sd00bc03sc00i00")
    assert [info.name for info in found] == ["snd_pcm", "thing"]


def test_similar_names_are_suggested_for_a_mistyped_one(host: LocalHost) -> None:
    with pytest.raises(UnknownModuleError) as caught:
        find_module(host, RELEASE, "snd-pmc")
    assert caught.value.message == f"Kernel {RELEASE} has no module or alias snd-pmc."
    assert caught.value.hint == "Did you mean snd_pcm?"
    with pytest.raises(UnknownModuleError) as caught:
        find_module(host, RELEASE, "qqqqqq\x1b")
    assert caught.value.hint == ""
    assert "\x1b" not in caught.value.message


def test_a_missing_path_is_not_an_unknown_module(host: LocalHost) -> None:
    with pytest.raises(UnreadableError, match=r"There is no file /tmp/gone\.ko"):
        find_module(host, RELEASE, "/tmp/gone.ko")


def test_a_missing_file_of_the_index_suggests_depmod(host: LocalHost) -> None:
    with pytest.raises(UnreadableError) as caught:
        find_module(host, RELEASE, "btrfs")
    assert "modules.dep still lists it" in caught.value.message
    assert caught.value.hint == f"Run depmod {RELEASE} as root."


def test_a_damaged_file_is_reported(host: LocalHost) -> None:
    put(host, "/usr/local/vendor/thing.ko")
    Path(host.locate("/usr/local/vendor/thing.ko")).write_bytes(b"")
    with pytest.raises(ModuleFileError, match="is empty"):
        find_module(host, RELEASE, "thing")


# -- incomplete and damaged indexes ------------------------------------------


def test_a_release_without_a_directory_names_the_installed_releases(host: LocalHost) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_index(host, "5.10.0-old")
    assert "5.10.0-old has no directory" in caught.value.message
    assert RELEASE in caught.value.hint
    assert "reboot" in caught.value.hint


def test_a_system_without_any_modules(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No kernel modules are installed"):
        read_index(LocalHost(tmp_path), RELEASE)
    assert installed_releases(LocalHost(tmp_path)) == ()


def test_a_directory_without_an_index_suggests_depmod(host: LocalHost) -> None:
    (folder_of(host) / "modules.dep").unlink()
    index = read_index(host, RELEASE)
    assert index.builtin_names == ("8250", "unix")
    assert f"Run depmod {RELEASE} as root." in str(index_problems(index)[0])


def test_an_empty_directory_suggests_the_package(tmp_path: Path) -> None:
    (tmp_path / "lib/modules" / RELEASE).mkdir(parents=True)
    with pytest.raises(UnreadableError) as caught:
        read_index(LocalHost(tmp_path), RELEASE)
    assert "nor module files" in caught.value.message
    assert caught.value.hint == "Reinstall the kernel package."


def test_an_index_that_disappears_before_it_is_read_suggests_depmod(host: LocalHost) -> None:
    index = read_index(host, RELEASE)
    (folder_of(host) / "modules.dep").unlink()
    with pytest.raises(UnreadableError, match="Run depmod"):
        index.path_of("btrfs")


def test_an_index_that_is_not_readable(host: LocalHost) -> None:
    class Secretive(LocalHost):
        def read(self, path: str, limit: int = -1) -> bytes:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(UnreadableError, match=r"modules\.dep is not readable by this user"):
        read_index(Secretive(host.root), RELEASE).path_of("btrfs")


def test_all_the_other_indexes_may_be_missing(host: LocalHost) -> None:
    for file in folder_of(host).glob("modules.*"):
        if file.name != "modules.dep":
            file.unlink()
    index = read_index(host, RELEASE)
    assert index.resolve("fs-btrfs") == index.resolve("symbol:snd_card_new") == ()
    assert index.resolve("btrfs") == ("btrfs",)
    assert not index.is_builtin("unix")


def test_malformed_lines_are_skipped(host: LocalHost) -> None:
    noise = b"\xff\xfe\n:\n\0\nalias\nalias x\nsoftdep\nsoftdep a\n  \nno colon.ko\n"
    for file in folder_of(host).glob("modules.*"):
        file.write_bytes(noise + file.read_bytes() + noise)
    index = read_index(host, RELEASE)
    assert set(index.names) >= {"btrfs", "snd_pcm"}
    assert index.resolve("fs-btrfs") == ("btrfs",)
    assert all(name.isprintable() for name in (*index.names, *index.builtin_names))


def test_modules_only_below_usr_lib_are_found(host: LocalHost) -> None:
    (host.root / "usr").mkdir()
    (host.root / "lib").rename(host.root / "usr/lib")
    index = read_index(host, RELEASE)
    assert index.path_of("snd") == f"/usr/lib/modules/{RELEASE}/kernel/sound/snd.ko"
    assert installed_releases(host) == (RELEASE,)


def test_a_cycle_in_modules_dep_does_not_hang(host: LocalHost) -> None:
    (folder_of(host) / "modules.dep").write_text("a.ko: b.ko a.ko\nb.ko: a.ko\n")
    assert read_index(host, RELEASE).dependencies("a") == ("a", "b")


def test_built_in_modules_have_a_path_too(index: ModuleIndex) -> None:
    assert index.place_of("snd-pcm") == "kernel/sound/snd-pcm.ko"
    assert index.place_of("thing") == "/usr/local/vendor/thing.ko"
    assert index.place_of("unix") == "kernel/net/unix/unix.ko"
    assert index.place_of("never") == ""


def test_other_names_are_the_aliases_without_wildcards(index: ModuleIndex) -> None:
    assert index.other_names() == {"btrfs": ("fs-btrfs",), "unix": ("net-pf-1",)}
