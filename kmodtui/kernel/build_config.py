"""Reader of the configuration that a kernel was built with.

It is in `/boot/config-RELEASE` or `/lib/modules/RELEASE/config`, and that of the running
kernel also in `/proc/config.gz` (CONFIG_IKCONFIG_PROC). Lines are `CONFIG_NAME=value` or
`# CONFIG_NAME is not set`.
"""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import release_files
from kmodtui.kernel.module_file.compression import open_unpacked
from kmodtui.kernel.proc_modules import has_module_support
from kmodtui.model.doctor.facts import BuildConfig
from kmodtui.model.text import clean, decode

_RUNNING_KERNEL = "/proc/config.gz"
_LIMIT = 16 * 1024 * 1024  # bytes; Debian's has 260 KB


def read_build_config(host: Host, release: str, *, running: bool = True) -> dict[str, str] | None:
    """Return the options that are set in a kernel release; see `find_build_config`."""
    found = find_build_config(host, release, running=running)
    return dict(found.options) if found is not None else None


def find_build_config(host: Host, release: str, *, running: bool = True) -> BuildConfig | None:
    """Return the configuration of a kernel release; None if none can be read.

    Args:
        host: the observed system.
        release: the kernel release.
        running: whether it is the running kernel, so that /proc/config.gz is preferred.
    """
    first = [_RUNNING_KERNEL] if running else []
    for path in (*first, f"/boot/config-{release}", *release_files(release, "config")):
        try:
            with open_unpacked(host, path, _LIMIT) as file:
                data = file.read(_LIMIT)
        except (KmodtuiError, OSError):
            continue
        return BuildConfig(path, parse_build_config(data))
    return None


def has_no_modules(host: Host, release: str) -> bool:
    """Return whether the running kernel was built without loadable modules, for certain.

    Args:
        host: the observed system.
        release: of the running kernel; empty if none is known.
    """
    if not release or has_module_support(host):
        return False
    options = read_build_config(host, release)
    return options is not None and "MODULES" not in options


def parse_build_config(data: bytes) -> dict[str, str]:
    """Return the options that are set in a configuration file, by name without `CONFIG_`."""
    options: dict[str, str] = {}
    for line in data.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals and name.startswith(b"CONFIG_"):
            options[decode(name[len(b"CONFIG_") :])] = clean(decode(value)).strip('"')
    return options
