"""Reader of the framebuffers, and of the consoles that are shown on them.

Sources: /proc/fb (`proc_fb_show` in `drivers/video/fbdev/core`), /sys/class/vtconsole
(`show_bind` and `show_name` in `drivers/tty/vt/vt.c`).
"""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.kernel.host import Host
from kmodtui.kernel.small_files import driver_module, list_names, read_lines, read_text
from kmodtui.model.text import clean
from kmodtui.model.usage import Use, UseKind

_CLASS = "/sys/class/vtconsole"
_FRAMEBUFFER = "frame buffer device"
_CONSOLE_MODULES = ("fb", "fbcon")  # which of them has the console depends on the kernel


def console_uses(host: Host) -> Iterator[tuple[str, Use]]:
    """Yield modules of framebuffers with a console on them, and the module of that console.

    A console takes a reference on its own module. Whether it takes one on the driver of the
    framebuffer depends on the driver: most of those of DRM detach the console themselves.
    """
    for console in list_names(host, _CLASS):
        name, bound = (read_text(host, f"{_CLASS}/{console}/{file}") for file in ("name", "bind"))
        if bound != "1" or _FRAMEBUFFER not in name:
            continue
        proof = clean(f"{_CLASS}/{console}/bind: 1")
        for module in _CONSOLE_MODULES:
            yield module, Use(UseKind.CONSOLE, f"{clean(console)}, shown on a framebuffer", proof)
        for line in read_lines(host, "/proc/fb"):
            number, _, words = line.partition(" ")
            module = (
                driver_module(host, f"/sys/class/graphics/fb{number}") if number.isdigit() else ""
            )
            if module:
                what = clean(f"{console}, shown on fb{number} ({words})")
                evidence = clean(f"/proc/fb: {line}, {proof}")
                yield (
                    module,
                    Use(UseKind.CONSOLE, what, evidence, references=0, possible=True),
                )
