"""Runs in the guest as an ordinary user: does what makes the kernel ask for aliases.

    python exposed_in_guest.py <ALIASES

Reads lines of a module and an alias. Prints those that it knows how to ask for, each with whether
the module is loaded afterwards.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

TIOCSETD = 0x5423
AF_ALG = 38
SOCK_DIAG, GENERIC, DIAG_BY_FAMILY = 4, 16, 20
NLM_F_DUMP = 0x301
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 3, 2
INET_DIAG_REQ_PROTOCOL = 3
SOCK_DCCP = 6
TYPES = (
    socket.SOCK_STREAM,
    socket.SOCK_DGRAM,
    socket.SOCK_RAW,
    socket.SOCK_SEQPACKET,
    SOCK_DCCP,
)


def is_loaded(name: str) -> bool:
    with open("/proc/modules") as file:
        return any(line.split()[0] == name for line in file)


def use_algorithm(name: str) -> None:
    for kind in ("skcipher", "hash", "aead", "rng"):
        with socket.socket(AF_ALG, socket.SOCK_SEQPACKET, 0) as opened, suppress(OSError):
            opened.bind((kind, name))


def open_socket(family: str, protocol: str | None) -> None:
    for kind in TYPES:
        with suppress(OSError):
            socket.socket(int(family), kind, int(protocol or 0)).close()


def set_line_discipline(number: str) -> None:
    main, terminal = pty.openpty()
    with suppress(OSError):
        fcntl.ioctl(terminal, TIOCSETD, struct.pack("i", int(number)))
    os.close(main)
    os.close(terminal)


def ask_netlink(protocol: int, kind: int, body: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as opened:
        opened.settimeout(5)
        opened.send(struct.pack("IHHII", 16 + len(body), kind, NLM_F_DUMP, 1, 0) + body)
        with suppress(OSError):
            opened.recv(4096)


def ask_for_family(name: str) -> None:
    attribute = struct.pack("HH", 5 + len(name), CTRL_ATTR_FAMILY_NAME) + name.encode() + b"\0"
    attribute += bytes(-len(attribute) % 4)
    body = struct.pack("BBH", CTRL_CMD_GETFAMILY, 1, 0) + attribute
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC) as opened:
        opened.settimeout(5)
        opened.send(struct.pack("IHHII", 16 + len(body), GENERIC, 5, 1, 0) + body)
        with suppress(OSError):
            opened.recv(4096)


def ask_for_sockets(family: str, protocol: str | None) -> None:
    open_socket(family, protocol)  # it has to be there before there is information about it
    number = int(protocol or 0)
    body = struct.pack("BBBBI", int(family), min(number, 255), 0, 0, 0xFFFFFFFF) + bytes(48)
    if number > 255:
        body += struct.pack("HHI", 8, INET_DIAG_REQ_PROTOCOL, number)
    ask_netlink(SOCK_DIAG, DIAG_BY_FAMILY, body)


def in_namespace(*command: str) -> None:
    subprocess.run(["unshare", "-U", "-r", "-n", "-m", *command], capture_output=True, check=False)


def open_node(name: str) -> None:
    with suppress(OSError):
        os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK))


def use_congestion_control(name: str) -> None:
    with socket.socket() as opened, suppress(OSError):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


ACTIONS: Sequence[tuple[str, Callable[..., None]]] = (
    (r"crypto-(.+)", use_algorithm),
    (r"net-pf-16-proto-16-family-(.+)", ask_for_family),
    (r"net-pf-16-proto-4-type-(\d+)(?:-(\d+))?", ask_for_sockets),
    (r"net-pf-(\d+)(?:-proto-(\d+))?(?:-type-\d+)?", open_socket),
    (r"tty-ldisc-(\d+)", set_line_discipline),
    (r"fs-(.+)", lambda name: in_namespace("mount", "-t", name, "none", "/mnt")),
    (r"rtnl-link-(.+)", lambda kind: in_namespace("ip", "link", "add", "x0", "type", kind)),
    (r"devname:(.+)", open_node),
    (r"tcp_(.+)", use_congestion_control),
)


def main() -> None:
    """Do it for each line of the input."""
    for line in sys.stdin:
        name, alias = line.split(" ", 1)
        for pattern, act in ACTIONS:
            if not is_loaded(name) and (match := re.fullmatch(pattern, alias.strip())):
                act(*match.groups())
                print(name, is_loaded(name), flush=True)
                break


main()
