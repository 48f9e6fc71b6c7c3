"""Does what the dashboard does to become root, without a dashboard; run as a user in a terminal.

Sets up the terminal like the dashboard (no echo, no line editing, keys as bytes),
opens a session, and prints the results. Needs only Python and kmodtui.privileged.
"""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator

sys.path.insert(0, sys.argv[1])

from kmodtui.errors import KmodtuiError
from kmodtui.model.scope import Scope
from kmodtui.privileged.elevation import detect, open_session

KEYS = 60
INTRUDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "intruder.py")
way = next((word[4:] for word in sys.argv if word.startswith("way=")), "")
scope = Scope.READ if "read" in sys.argv else Scope.CHANGE
cooked = termios.tcgetattr(0)


def say(text: str) -> None:
    os.write(1, text.encode() + b"\r\n")


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    say("SUSPENDED")
    termios.tcsetattr(0, termios.TCSAFLUSH, cooked)
    try:
        yield
    finally:
        tty.setraw(0)
        say("RESUMED")


async def intrude() -> None:
    """Run another program of this user against all of this user's processes."""
    victim = await asyncio.create_subprocess_exec(
        "sleep", "600", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, INTRUDER, "0", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    text, _ = await process.communicate()
    victim.kill()
    await victim.wait()
    for line in text.decode().splitlines():
        say(line)


async def main() -> None:
    tty.setraw(0)
    try:
        client = await open_session(detect(way), foreground, scope=scope)
    except KmodtuiError as error:
        say(f"REFUSED {type(error).__name__}: {error}")
        return
    modes = termios.tcgetattr(0)
    say(f"HELLO {client.via} {client.hello.uid}")
    say(f"PID {client.hello.pid}")
    result = await client.load("kmodtui_none")
    say(f"ANSWER {result.code} {result.message}")
    group = os.tcgetpgrp(0) == os.getpgrp()
    say("TYPE")
    got = b""
    while len(got) < KEYS:
        got += await asyncio.to_thread(os.read, 0, 1)
    say(f"GOT {got.decode()}")
    if "intruder" in sys.argv:
        await intrude()
        result = await client.load("kmodtui_none")
        say(f"AFTERWARDS {result.code}")
    if "stay" in sys.argv:
        say("STAYING")
        signal.pause()
    await client.close()
    same = termios.tcgetattr(0) == modes and os.tcgetpgrp(0) == os.getpgrp()
    say(f"TERMINAL {'ours' if group and same else 'TAKEN'}")


if __name__ == "__main__":
    try:
        for _ in range(2 if "twice" in sys.argv else 1):
            asyncio.run(main())
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, cooked)
    say("END")
