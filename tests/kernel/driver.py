"""Builds small modules for the guest's kernel, with the distribution's headers and gcc."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import debian

SOURCE = """
#include <linux/module.h>
#include <linux/miscdevice.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

static int loud = 1;
module_param(loud, int, 0444);
@PARAMETERS@

static noinline int drv_work(int x)
{
@WORK@
	return x * loud;
}

static ssize_t drv_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	char word[8] = "";

	if (copy_from_user(word, from, min(n, sizeof(word) - 1)))
		return -EFAULT;
	WARN_ON(word[0] == 'w');
	if (word[0] == 'o')
		*(volatile int *)8 = drv_work(n);
	return n;
}

static const struct file_operations drv_ops = { .owner = THIS_MODULE, .write = drv_write };
static struct miscdevice drv_device = {
	.minor = MISC_DYNAMIC_MINOR, .name = "kmodtui_drv", .fops = &drv_ops, .mode = 0666,
};

static int __init drv_init(void)
{
	pr_info("drv: build %d\\n", drv_work(@NUMBER@));
	@INIT@
	return misc_register(&drv_device);
}

static void __exit drv_exit(void)
{
	misc_deregister(&drv_device);
	pr_info("drv: bye from build @NUMBER@\\n");
}

module_init(drv_init);
module_exit(drv_exit);
MODULE_LICENSE("GPL");
"""

Symbols = Counter[tuple[str, int, str]]
"""Name, size and type of each symbol, with the number of times it occurs."""


@dataclass(frozen=True)
class Built:
    """A build: the bytes of drv.ko, and its symbols as nm lists them."""

    data: bytes
    symbols: Symbols


class Driver:
    """The sources of modules, such as drv.ko, and make."""

    def __init__(self, folder: Path, release: str) -> None:
        """Have compiler and headers, or skip the test."""
        self.headers = Path("/usr/src", f"linux-headers-{release}")
        modpost = f"{self.headers}/scripts/mod/modpost"
        packages = {"gcc": "gcc", "make": "make", "nm": "binutils"}
        missing = debian.install({**packages, modpost: self.headers.name})
        if missing:
            # The archive has no headers of a kernel that was replaced since the image was made.
            pytest.skip(f"needs the Debian packages: {' '.join(missing)}")
        self.folder = folder

    def build(self, number: int, *, work: int = 0, parameters: str = "", init: str = "") -> Built:
        """Return a build.

        Args:
            number: is logged.
            work: how many statements `drv_work` has.
            parameters: C code that declares more of them.
            init: C code for the init function.
        """
        source = SOURCE.replace("@NUMBER@", str(number)).replace("@PARAMETERS@", parameters)
        lines = "".join(f"\tx = (x << {n % 7 + 1}) ^ {n * 77 + 5};\n" for n in range(work))
        source = source.replace("@WORK@", lines).replace("@INIT@", init)
        file = self.make("drv", source)
        return Built(file.read_bytes(), _nm(file))

    def make(self, name: str, source: str) -> Path:
        """Return the .ko file of a module with this source."""
        (self.folder / "Kbuild").write_text(f"obj-m := {name}.o\n")
        (self.folder / f"{name}.c").write_text(source)
        command = ["make", "-C", str(self.headers), f"M={self.folder}", "modules"]
        subprocess.run(command, check=True, capture_output=True)
        return self.folder / f"{name}.ko"


def _nm(file: Path) -> Symbols:
    rows = [
        line.split()
        for line in subprocess.check_output(["nm", "-S", file], text=True).splitlines()
        if " U " not in line
    ]
    return Counter((row[-1], int(row[1], 16) if len(row) == 4 else 0, row[-2]) for row in rows)
