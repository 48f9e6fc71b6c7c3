"""Whether the type information (BTF) of a module fits that of a kernel.

Format: `Documentation/bpf/btf.rst`. A module's BTF continues that of its kernel: types and
strings are numbered behind it, so that a kernel of another build gives them other meanings.
Mirrors the checks of `btf_parse_module` in `kernel/bpf/btf.c` that such a module fails.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from kmodtui.model.check.check import BtfFit

VMLINUX = "/sys/kernel/btf/vmlinux"
MAX_SIZE = 64 * 1024 * 1024  # bytes; a distribution's kernel has 5 to 10 MB

_MAGIC = 0xEB9F
_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _FUNC = 1, 3, 4, 5, 6, 8, 12
_FUNC_PROTO, _VAR, _DATASEC, _DECL_TAG, _ENUM64 = 13, 14, 15, 17, 19
_REFERENCES = frozenset((2, _TYPEDEF, 9, 10, 11, _FUNC, _FUNC_PROTO, _VAR, _DECL_TAG, 18))
"""Kinds whose third number is a type: pointers, qualifiers, functions, variables, tags."""
_NAMED = frozenset((_TYPEDEF, _FUNC, _VAR))
"""Kinds that must have an identifier for a name."""
_MEMBERS = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _FUNC_PROTO: 8, _DATASEC: 12, _ENUM64: 12}
"""Bytes of a member, by kind."""
_MORE = {_INT: 4, _ARRAY: 12, _VAR: 4, _DECL_TAG: 4}
"""Bytes behind a type that has no members, by kind."""
_IDENTIFIER = re.compile(rb"[A-Za-z_.][A-Za-z0-9_.$]*\0")


class _Btf(NamedTuple):
    order: str
    types: bytes
    strings: bytes


class _Type(NamedTuple):
    kind: int
    names: tuple[int, ...]
    types: tuple[int, ...]


def compare_btf(module: bytes, kernel: bytes) -> BtfFit | None:
    """Return how a module's section .BTF fits a kernel's; None if one of them is malformed."""
    try:
        own, base = _parsed(module), _parsed(kernel)
        if own.order != base.order:
            return BtfFit.REFUSED
        return _fit(own, base, 1 + sum(1 for _ in _steps(base)))
    except (struct.error, ValueError, IndexError):
        return None


def _fit(own: _Btf, base: _Btf, base_types: int) -> BtfFit:
    types = list(_types(own))
    last = base_types + len(types)
    strings, size = len(base.strings) + len(own.strings), len(base.strings)
    fit = BtfFit.SAME_BUILD
    for each in types:
        if any(number >= last for number in each.types):
            return BtfFit.REFUSED
        for place, name in enumerate(each.names):
            if name >= strings:
                return BtfFit.REFUSED
            if place == 0 and each.kind in _NAMED and not _is_identifier(name, own, base):
                return BtfFit.REFUSED
            if 0 < name < size and base.strings[name - 1]:
                fit = BtfFit.OTHER_BUILD
    return fit


def _is_identifier(name: int, own: _Btf, base: _Btf) -> bool:
    size = len(base.strings)
    strings, start = (base.strings, name) if name < size else (own.strings, name - size)
    return _IDENTIFIER.match(strings, start) is not None


def _parsed(data: bytes) -> _Btf:
    order = "<" if data[:2] == struct.pack("<H", _MAGIC) else ">"
    magic, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from(
        f"{order}HBBIIIII", data
    )
    if magic != _MAGIC:
        raise ValueError("no BTF")
    types = data[header + type_off : header + type_off + type_len]
    strings = data[header + str_off : header + str_off + str_len]
    if len(types) < type_len or len(strings) < str_len:
        raise ValueError("truncated")
    return _Btf(order, types, strings)


def _steps(btf: _Btf) -> Iterator[tuple[int, int, int]]:
    """Yield the position of each type, its kind and its number of members."""
    info = struct.Struct(f"{btf.order}I")
    position, end = 0, len(btf.types)
    while position < end:
        (number,) = info.unpack_from(btf.types, position + 4)
        kind, members = number >> 24 & 0x1F, number & 0xFFFF
        yield position, kind, members
        position += 12 + _MEMBERS.get(kind, 0) * members + _MORE.get(kind, 0)


def _types(btf: _Btf) -> Iterator[_Type]:
    for position, kind, members in _steps(btf):
        name, _, third = struct.unpack_from(f"{btf.order}III", btf.types, position)
        names, types = [name], [third] if kind in _REFERENCES else []
        position += 12
        if kind == _ARRAY:
            types += struct.unpack_from(f"{btf.order}II", btf.types, position)
        size = _MEMBERS.get(kind, 0)
        for number in range(members if size else 0):
            first, second = struct.unpack_from(
                f"{btf.order}II", btf.types, position + number * size
            )
            if kind == _DATASEC:
                types.append(first)
                continue
            names.append(first)
            if kind in (_STRUCT, _UNION, _FUNC_PROTO):
                types.append(second)
        yield _Type(kind, tuple(names), tuple(types))
