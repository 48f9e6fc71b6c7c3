"""What an alias of a module says about what it provides: `fs-btrfs` is a file system.

The kernel requests a module by such a name when a program wants what the name stands for
(`request_module` in the sources), so a module with the alias provides exactly that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from kmodtui.model.about.page import Statement, some
from kmodtui.model.text import clean

FAMILIES = {
    1: "AF_UNIX",
    2: "AF_INET",
    3: "AF_AX25",
    4: "AF_IPX",
    5: "AF_APPLETALK",
    6: "AF_NETROM",
    8: "AF_ATMPVC",
    9: "AF_X25",
    10: "AF_INET6",
    11: "AF_ROSE",
    15: "AF_KEY",
    16: "AF_NETLINK",
    17: "AF_PACKET",
    19: "AF_ECONET",
    20: "AF_ATMSVC",
    21: "AF_RDS",
    24: "AF_PPPOX",
    26: "AF_LLC",
    27: "AF_IB",
    28: "AF_MPLS",
    29: "AF_CAN",
    30: "AF_TIPC",
    31: "AF_BLUETOOTH",
    33: "AF_RXRPC",
    35: "AF_PHONET",
    36: "AF_IEEE802154",
    37: "AF_CAIF",
    38: "AF_ALG",
    39: "AF_NFC",
    40: "AF_VSOCK",
    41: "AF_KCM",
    42: "AF_QIPCRTR",
    43: "AF_SMC",
    44: "AF_XDP",
    45: "AF_MCTP",
}
"""Socket families by number (`include/linux/socket.h`)."""

_IP_PROTOCOLS = {33: "DCCP", 115: "L2TP", 132: "SCTP", 136: "UDP-Lite", 262: "MPTCP"}
_INTERNET = ("2", "10")

_Match = re.Match[str]


def _family(match: _Match) -> str:
    number = int(match[1])
    return f"socket family {FAMILIES.get(number, number)}"


def _protocol(match: _Match) -> str:
    family, number = match[1], int(match[2])
    if family in _INTERNET and number in _IP_PROTOCOLS:
        version = "IPv6" if family == "10" else "IPv4"
        return f"protocol {_IP_PROTOCOLS[number]} over {version}"
    return f"protocol {number} of {FAMILIES.get(int(family), f'socket family {family}')}"


def _words(text: str) -> Callable[[_Match], str]:
    return lambda match: text.format(*match.groups())


_KINDS: tuple[tuple[str, str, Callable[[_Match], str]], ...] = (
    ("file system", r"fs-(.+)", _words("file system {0}")),
    (
        "socket diagnosis",
        r"net-pf-16-proto-4-type-(.+)",
        lambda _match: "information about sockets (ss)",
    ),
    (
        "netlink family",
        r"net-pf-16-proto-16-family-(.+)",
        _words("generic netlink family {0}"),
    ),
    ("protocol", r"net-pf-(\d+)-proto-(\d+)(?:-type-\d+)?", _protocol),
    ("socket family", r"net-pf-(\d+)", _family),
    ("algorithm", r"crypto-(.+)", _words("crypto algorithm {0}")),
    ("device node", r"devname:(.+)", _words("device node /dev/{0}")),
    ("network interface", r"rtnl-link-(.+)", _words("network interfaces of type {0}")),
    ("block device", r"block-major-(\d+)(?:-.*)?", _words("block devices with major number {0}")),
    (
        "character device",
        r"char-major-(\d+)-(\d+)",
        _words("character device {0}:{1}"),
    ),
    (
        "character device",
        r"char-major-(\d+)(?:-.*)?",
        _words("character devices with major number {0}"),
    ),
    ("line discipline", r"tty-ldisc-(\d+)", _words("line discipline {0} of terminals")),
    ("firewall", r"(ipt|ip6t|ebt|arpt|xt)_(.+)", _words("firewall match or target {1} ({0})")),
    ("firewall", r"nft-(expr|obj|chain|set|flow)[-_a-z0-9]*?-(\w+)", _words("nftables {0} {1}")),
    ("firewall", r"nfct-helper-(.+)", _words("connection tracking of {0}")),
    ("firewall", r"nf-logger-(.+)", _words("firewall log {0}")),
    ("firewall", r"nf-flowtable-(.+)", _words("flow table {0}")),
    ("firewall", r"ip_set_(.+)", _words("IP set type {0}")),
    ("traffic control", r"net-(sch|cls|act)-(.+)", _words("traffic control {0} {1}")),
    ("RAID", r"md-(?:raid|level-)?(.+)", _words("RAID personality {0}")),
    ("device mapper", r"dm-(.+)", _words("device-mapper target {0}")),
    ("transformation", r"xfrm-(?:type|mode|offload)-(.+)", _words("IPsec transformation {0}")),
    ("executable format", r"binfmt-(.+)", _words("executable format {0}")),
    ("1-Wire family", r"w1-family-(0x\w+)", _words("1-Wire devices of family {0}")),
    ("sound", r"snd-(?:card|seq-client|timer)-(\d+)", _words("sound ({0})")),
    ("team mode", r"team-mode-(.+)", _words("team mode {0}")),
    ("compression pool", r"zpool-(.+)", _words("compressed memory pool {0}")),
    ("Xen backend", r"xen-backend:(.+)", _words("Xen backend {0}")),
)
"""Kind, pattern of an alias, and how the kind names what the alias stands for."""

_COMPILED = tuple((kind, re.compile(pattern), words) for kind, pattern, words in _KINDS)

_MOST = 4  # names of one kind in a sentence


def interface(alias: str) -> tuple[str, str] | None:
    """Return kind and name of what an alias stands for; None for another kind of alias."""
    for kind, pattern, words in _COMPILED:
        if match := pattern.fullmatch(alias):
            return kind, words(match)
    return None


def provided_by_aliases(aliases: Iterable[str], evidence: str) -> tuple[list[Statement], list[str]]:
    """Return what aliases say that a module provides, and the aliases that say nothing.

    Args:
        aliases: those of a module that are not for hardware.
        evidence: the file that contains them.
    """
    found: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for alias in aliases:
        known = interface(alias)
        if known is None:
            others.append(alias)
        else:
            kind, words = known
            found.setdefault(kind, {}).setdefault(words, alias)
    statements = []
    for kind, names in found.items():
        # The words before the name are the same for all of a kind: say them once.
        first, *rest = names
        common = first[: first.rfind(" ") + 1]
        short = [first, *(name.removeprefix(common) for name in rest)]
        shown = list(names.values())
        lines = tuple(f"{evidence}: alias {clean(alias)}" for alias in shown[:_MOST])
        statements.append(Statement(kind, clean(some(short)), lines))
    return statements, others
