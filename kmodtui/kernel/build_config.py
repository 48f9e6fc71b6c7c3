"""Reader of the configuration that a kernel was built with.

`/boot/config-RELEASE` or `/lib/modules/RELEASE/config`, and `/proc/config.gz` of the
kernel that runs (CONFIG_IKCONFIG_PROC). Lines are `CONFIG_NAME=value`, and
`# CONFIG_NAME is not set`.
"""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.compression import open_unpacked
from kmodtui.kernel.host import Host
from kmodtui.model.text import clean, decode

_PLACES = ("/boot/config-{0}", "/lib/modules/{0}/config", "/usr/lib/modules/{0}/config")
_OF_RUNNING = "/proc/config.gz"
_LIMIT = 16 * 1024 * 1024  # bytes; Debian's has 260 KB


def read_build_config(host: Host, release: str, *, running: bool = True) -> dict[str, str] | None:
    """Return the options of a kernel release by name, `CONFIG_` left out; None if not to be read.

    An option that is not set is not in it.

    Args:
        host: the system.
        release: of the kernel.
        running: whether that is the kernel that runs, whose own word counts first.
    """
    places = [_OF_RUNNING] if running else []
    for path in (*places, *(place.format(release) for place in _PLACES)):
        try:
            with open_unpacked(host, path, _LIMIT) as file:
                data = file.read(_LIMIT)
        except (KmodtuiError, OSError):
            continue
        return parse_build_config(data)
    return None


def parse_build_config(data: bytes) -> dict[str, str]:
    """Return the options in the bytes of a configuration."""
    options: dict[str, str] = {}
    for line in data.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals and name.startswith(b"CONFIG_"):
            options[decode(name[len(b"CONFIG_") :])] = clean(decode(value)).strip('"')
    return options
