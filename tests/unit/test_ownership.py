"""Who besides root could modify a file."""

from __future__ import annotations

import pytest

from kmodtui.model.ownership import ownership
from kmodtui.model.result import FilePart

NAMES = {0: "root", 1000: "me", 1001: "a\x1b[31mb"}


def told(*parts: tuple[str, int, int]) -> tuple[str, ...]:
    path, found = "", []
    for name, uid, mode in parts:
        path += f"/{name}"
        found.append(FilePart(path, uid, mode))
    return ownership(found, NAMES.__getitem__)


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ([("lib", 0, 0o755), ("extra", 0, 0o755), ("a.ko", 0, 0o644)], ()),
        (
            [
                ("home", 0, 0o755),
                ("me", 1000, 0o700),
                ("build", 1000, 0o755),
                ("a.ko", 1000, 0o644),
            ],
            ("/home/me, build and a.ko are owned by me",),
        ),
        ([("tmp", 0, 0o1777), ("a.ko", 1000, 0o644)], ("/tmp/a.ko is owned by me",)),
        (
            [("srv", 0, 0o775), ("new", 0, 0o777), ("a.ko", 0, 0o664)],
            (
                "/srv is writable by a group",
                "/srv/new is writable by everyone",
                "/srv/new/a.ko is writable by a group",
            ),
        ),
        (
            [("srv", 1000, 0o755), ("new", 0, 0o755), ("a.ko", 1001, 0o646)],
            (
                "/srv is owned by me",
                r"/srv/new/a.ko is owned by a\x1b[31mb",
                "/srv/new/a.ko is writable by everyone",
            ),
        ),
        ([], ()),
    ],
)
def test_owners_and_write_permissions_besides_root(
    parts: list[tuple[str, int, int]], lines: tuple[str, ...]
) -> None:
    assert told(*parts) == lines
