"""Parameter values are accepted, shown and refused as in `kernel/params.c`."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kmodtui.demo.parameters import RefusedValueError, parsed_parameters, shown_value
from kmodtui.demo.recorded_module import RecordedModule
from tests.support.elf import make_module


@pytest.mark.parametrize(
    ("kind", "given", "shown"),
    [
        ("int", "2", "2"),
        ("int", "-2147483648", "-2147483648"),
        ("int", "0x10", "16"),
        ("int", "010", "8"),
        ("int", "+7", "7"),
        ("uint", "4294967295", "4294967295"),
        ("hexint", "255", "0x0000ff"),
        ("byte", "255", "255"),
        ("ullong", "18446744073709551615", "18446744073709551615"),
        ("bool", "on", "Y"),
        ("bool", "No", "N"),
        ("bool", None, "Y"),
        ("invbool", "1", "Y"),
        ("bint", "y", "1"),
        ("charp", "", ""),
        ("charp", "a=b c", "a=b c"),
        ("array of int", "1,0x2,3", "1,2,3"),
        ("array of charp", "a,b", "a,b"),
        ("a type of the driver's own", "whatever", "whatever"),
    ],
)
def test_accepted(kind: str, given: str | None, shown: str) -> None:
    assert shown_value(kind, given) == shown


@pytest.mark.parametrize(
    ("kind", "given", "number"),
    [
        ("int", "abc", errno.EINVAL),
        ("int", "", errno.EINVAL),
        ("int", "1 ", errno.EINVAL),
        ("int", "09", errno.EINVAL),
        ("int", "1_000", errno.EINVAL),
        ("int", None, errno.EINVAL),
        ("int", "2147483648", errno.ERANGE),
        ("uint", "-1", errno.EINVAL),
        ("byte", "256", errno.ERANGE),
        ("bool", "maybe", errno.EINVAL),
        ("bool", "", errno.EINVAL),
        ("charp", None, errno.EINVAL),
        ("charp", "x" * 1025, errno.ENOSPC),
        ("array of int", "1,x", errno.EINVAL),
    ],
)
def test_refused(kind: str, given: str | None, number: int) -> None:
    with pytest.raises(RefusedValueError) as refused:
        shown_value(kind, given)
    assert refused.value.errno == number


def test_a_parameter_without_a_type_is_known(tmp_path: Path) -> None:
    file = tmp_path / "loop.ko"
    file.write_bytes(
        make_module((b"parm=max_loop:Maximum number", b"parmtype=max_part:int", b"depends=a-b,c"))
    )
    loop = RecordedModule("loop", {}, file)
    said: list[str] = []
    given = ("max_loop=8", "max_part=0x10", "typo=1")
    values = parsed_parameters(
        "loop", loop.parameter_types, given, lambda _, text: said.append(text)
    )
    assert values == {"max_loop": "8", "max_part": "16"}
    assert said == ["loop: unknown parameter 'typo' ignored"]
    assert loop.depends == ("a_b", "c")


def test_a_module_without_a_file_has_no_parameters(tmp_path: Path) -> None:
    (tmp_path / "damaged.ko").write_bytes(b"\x7fELF")
    for file in (None, tmp_path / "gone.ko", tmp_path / "damaged.ko"):
        assert RecordedModule("x", {}, file).parameter_types == {}
        assert RecordedModule("x", {}, file).depends == ()
