"""The output of modinfo, byte for byte and safe to show."""

from __future__ import annotations

from kmodtui.model.module_info import (
    BUILTIN,
    ModuleInfo,
    Parameter,
    Signature,
    modinfo_lines,
    modinfo_text,
)


def info(*strings: bytes, signature: Signature | None = None) -> ModuleInfo:
    return ModuleInfo("hello", "/m/hello.ko", b"\0".join(strings), signature)


def test_lines_are_aligned_at_column_16() -> None:
    assert modinfo_lines(info(b"license=GPL", b"vermagic=6.1 SMP ")) == [
        b"filename:       /m/hello.ko",
        b"license:        GPL",
        b"vermagic:       6.1 SMP ",
    ]


def test_keys_of_15_characters_and_more_are_padded_as_printf_does() -> None:
    keys = [b"k" * 14, b"k" * 15, b"k" * 16, b"k" * 20]
    assert modinfo_lines(info(*(key + b"=v" for key in keys)))[1:] == [
        b"k" * 14 + b": v",
        b"k" * 15 + b":v",
        b"k" * 16 + b": v",
        b"k" * 20 + b":     v",
    ]


def test_a_value_keeps_its_equals_signs_and_a_string_without_one_is_a_key() -> None:
    assert modinfo_lines(info(b"alias=of:N=x", b"lonely"))[1:] == [
        b"alias:          of:N=x",
        b"lonely:         ",
    ]


def test_builtin_modules_show_their_name_first() -> None:
    unix = ModuleInfo("unix", BUILTIN, b"license=GPL\0file=net/unix/unix")
    assert modinfo_lines(unix) == [
        b"name:           unix",
        b"filename:       (builtin)",
        b"license:        GPL",
        b"file:           net/unix/unix",
    ]
    assert unix.builtin
    assert unix.intree


def test_root_is_put_before_the_file_name_but_not_before_builtin() -> None:
    assert modinfo_lines(info(), "/tree/")[0] == b"filename:       /tree/m/hello.ko"
    assert modinfo_lines(ModuleInfo("x", BUILTIN, b""), "/tree")[1] == b"filename:       (builtin)"


def test_parameters_come_last_joined_with_their_type_and_backwards() -> None:
    hello = info(
        b"parm=first:The first",
        b"parmtype=first:int",
        b"parmtype=typed:charp",
        b"parm=told:No: type",
        b"license=GPL",
        b"parm=no colon",
    )
    assert modinfo_lines(hello)[1:] == [
        b"license:        GPL",
        b"parm:           told:No: type",
        b"parm:           typed:charp",
        b"parm:           first:The first (int)",
    ]
    assert hello.parameters == (
        Parameter("told", "", "No: type"),
        Parameter("typed", "charp", ""),
        Parameter("first", "int", "The first"),
    )


def test_signature_is_printed_in_lines_of_20_bytes() -> None:
    signature = Signature("PKCS#7", b"Key", bytes([1, 0xAB]), "sha256", bytes(range(41)))
    assert modinfo_lines(info(signature=signature))[1:] == [
        b"sig_id:         PKCS#7",
        b"signer:         Key",
        b"sig_key:        01:AB",
        b"sig_hashalgo:   sha256",
        b"signature:      00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:",
        b"\t\t14:15:16:17:18:19:1A:1B:1C:1D:1E:1F:20:21:22:23:24:25:26:27:",
        b"\t\t28",
    ]


def test_an_exact_multiple_of_20_bytes_leaves_no_empty_line() -> None:
    signature = Signature("X509", b"", b"", "sha1", bytes(20))
    lines = modinfo_lines(info(signature=signature))
    assert lines[-1] == b"signature:      " + b":".join([b"00"] * 20)
    assert lines[3] == b"sig_key:        "


def test_control_characters_are_escaped() -> None:
    evil = info(b"description=\x1b]0;owned\x07 [red]caf\xc3\xa9[/] \xff\nnext", b"\x1b[2J=x")
    assert evil.description == r"\x1b]0;owned\x07 [red]café[/] \xff\nnext"
    assert modinfo_lines(evil)[1].startswith(b"description:    \x1b]0;owned")
    text = modinfo_text(evil)
    assert text[1] == r"description:    \x1b]0;owned\x07 [red]café[/] \xff\nnext"
    assert all(line.isprintable() for line in text)


def test_text_equals_the_bytes_if_these_are_safe() -> None:
    signature = Signature("PKCS#7", b"Key", b"\1", "sha256", bytes(30))
    hello = info(b"license=GPL", b"parm=a:b", b"k" * 20 + b"=v", signature=signature)
    assert [line.encode() for line in modinfo_text(hello)] == modinfo_lines(hello)


def test_a_file_name_that_is_not_utf8_is_printed_unchanged() -> None:
    odd = ModuleInfo("x", "/m/\udcff.ko", b"")
    assert modinfo_lines(odd) == [b"filename:       /m/\xff.ko"]
    assert modinfo_text(odd) == [r"filename:       /m/\xff.ko"]


def test_properties_take_the_first_value_as_the_kernel_does() -> None:
    hello = info(
        b"license=GPL",
        b"license=Proprietary",
        b"author=A",
        b"author=B",
        b"depends=snd-pcm,snd",
        b"alias=fs-hello",
        b"firmware=hello.bin",
        b"softdep=pre: crc32c",
        b"import_ns=CRYPTO",
        b"intree=Y",
        b"vermagic=6.1 SMP ",
    )
    assert hello.license == "GPL"
    assert hello.authors == ("A", "B")
    assert hello.depends == ("snd_pcm", "snd")
    assert hello.aliases == ("fs-hello",)
    assert hello.firmware == ("hello.bin",)
    assert hello.softdeps == ("pre: crc32c",)
    assert hello.namespaces == ("CRYPTO",)
    assert hello.intree
    assert hello.vermagic == "6.1 SMP"


def test_missing_fields_are_empty() -> None:
    silent = info(b"depends=")
    assert silent.description == silent.version == silent.srcversion == ""
    assert silent.depends == silent.parameters == ()
    assert not silent.intree
