"""5,000 random lines to real helpers, in `make test-full`.

The seed is printed; KMODTUI_TEST_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from kmodtui.privileged import helper
from kmodtui.privileged.protocol import Bye, Finished, Progress, decode_answer
from tests.support.helper_folder import HelperFolder
from tests.unit.test_helper_hostile import HOSTILE, LINES, PROPER

pytestmark = pytest.mark.full

LINES_IN_ALL = 5_000


def line(chance: random.Random, number: int) -> bytes:
    """Return a line: random bytes, a hostile one, or a request that is damaged or valid."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(300)).replace(b"\n", b" ")
    if kind == 1:
        return chance.choice(LINES).replace(b'"id": 1', b'"id": %d' % number).replace(b"\n", b" ")
    operation = chance.choice(sorted(PROPER))
    fields: dict[str, Any] = dict(PROPER[operation])
    if kind == 2 and fields:
        field = chance.choice(sorted(fields))
        fields[field] = chance.choice(HOSTILE[field])
    if kind == 3:
        fields[chance.choice(sorted(HOSTILE))] = chance.choice([None, 0, "x", [], {}])
    request = {"id": number, "op": operation, **fields}
    data = json.dumps(request).encode("utf-8", "surrogatepass")
    if kind == 4:
        damaged = bytearray(data)
        damaged[chance.randrange(len(damaged))] = chance.choice(b'\0"{}[],:\\x')
        return bytes(damaged)
    return data


async def test_any_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has one result until the helper says why it ends; nothing else is started."""
    seed = int(os.environ.get("KMODTUI_TEST_SEED") or random.SystemRandom().randrange(2**32))
    with capsys.disabled():
        os.write(1, f"\nKMODTUI_TEST_SEED={seed}\n".encode())
    chance = random.Random(seed)
    folder = HelperFolder(tmp_path / "system")
    (folder.root / "proc" / "kallsyms").write_bytes(b"0 T x\n")
    sent = sessions = 0
    while sent < LINES_IN_ALL:
        sessions += 1
        scope = chance.choice(["read", "change"])
        transport = await folder.transport(scope=scope)
        await transport.receive()
        number = 1
        while True:
            data = line(chance, number)
            if not data.strip():
                continue
            sent += 1
            with contextlib.suppress(OSError):  # after a bye that follows a result
                await transport.send(data + b"\n")
            answer = decode_answer(await transport.receive())
            while isinstance(answer, Progress):
                answer = decode_answer(await transport.receive())
            if isinstance(answer, Bye):
                assert answer.reason == "unexpected", (seed, data)
                assert await transport.receive() == b""
                break
            assert isinstance(answer, Finished), (seed, data)
            number += answer.id == number  # else it could not be read as a request
        await transport.close()
    # What was valid loaded btrfs, or blacklisted ext4; a session that reads did neither.
    assert {call["argv"][-1] for call in folder.calls} <= {"btrfs"}
    assert sessions >= LINES_IN_ALL / (helper.MAX_INVALID + helper.MAX_PER_MINUTE)
