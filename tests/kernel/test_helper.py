"""The helper against Debian's kernel: what it says is what the kernel did.

The client runs here and the helper there, as root, joined by SSH's pipes.
"""

from __future__ import annotations

import asyncio
import errno
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kmodtui.errors import HelperDiedError
from kmodtui.model.explain.explain import Facts, Kind, explain
from kmodtui.model.log.record import LogRecord
from kmodtui.model.plan.verb import Verb
from kmodtui.model.result import ResultCode
from tests.kernel.helper_sessions import PATH, PATIENCE, Gate, Open, alive, holder, loaded, until
from tests.kernel.image import ADMIN_PASSWORD
from tests.kernel.vm import VM


async def test_a_chain_goes_in_and_out(vm: VM, session: Open) -> None:
    before = loaded(vm)
    came: list[LogRecord] = []
    async with session() as root:
        assert root.hello.uid == 0
        result = await root.load("btrfs", (), came.append)
        assert result.ok, result
        assert result.after == {"btrfs": "Live"}
        assert {"btrfs", "xor", "raid6_pq", "zstd_compress"} <= loaded(vm) - before
        assert any(record.text.startswith("Btrfs loaded") for record in came)
        assert tuple(came) == result.log
        assert result.output.count("insmod ") >= 4
        again = await root.load("btrfs")
        assert (again.code, again.errno) == (ResultCode.ALREADY_LOADED, errno.EEXIST)
        busy = await root.unload(["raid6_pq"])
        assert (busy.code, busy.errno, busy.subject) == (
            ResultCode.FAILED, errno.EAGAIN, "raid6_pq",
        )  # fmt: skip
        result = await root.unload(["btrfs"])
        assert result.ok, result
        assert not {"btrfs", "xor", "raid6_pq"} & loaded(vm)


async def test_a_wrong_value_a_wrong_name_and_an_init_that_refuses(vm: VM, session: Open) -> None:
    async with session() as root:
        value = await root.load("dummy", ["numdummies=abc"])
        assert (value.code, value.errno) == (ResultCode.FAILED, errno.EINVAL)
        told = explain(Verb.LOAD, ["dummy"], value, Facts(parameters={"numdummies": "int"}))
        assert told.evidence == ("dummy: `abc' invalid for parameter `numdummies'",)
        assert "type int" in told.cause

        name = await root.load("dummy", ["numdumies=1"])
        assert name.ok
        told = explain(Verb.LOAD, ["dummy"], name, Facts(parameters={"numdummies": "int"}))
        assert told.kind is Kind.WARNING
        assert "numdummies" in told.remedy

        init = await root.load("nbd", ["max_part=100000"])
        assert (init.code, init.errno) == (ResultCode.FAILED, errno.EINVAL)
        assert "nbd" not in loaded(vm)


async def test_what_cannot_leave(vm: VM, session: Open) -> None:
    async with session() as root:
        assert (await root.load("tun")).ok
        held = await holder(vm)
        busy = await root.unload(["tun"])
        assert (busy.code, busy.errno) == (ResultCode.FAILED, errno.EAGAIN)
        await held.communicate(b"")
        assert (await root.unload(["tun"])).ok
        gone = await root.unload(["tun"])
        assert (gone.code, gone.errno) == (ResultCode.NOT_LOADED, errno.ENOENT)


async def test_a_permanent_module_stays(session: Open) -> None:
    async with session() as root:
        await root.load("binder_linux")  # unless another test of this guest has
        result = await root.unload(["binder_linux"])
        assert (result.code, result.errno) == (ResultCode.FAILED, errno.EBUSY)


async def test_what_is_executed(vm: VM, session: Open) -> None:
    """The exact calls of a load and an unload: absolute paths, no shell, nothing inherited."""
    trace = "exec strace -f -v -s 300 -e trace=execve -o /tmp/execve"
    async with session(before=trace) as root:
        assert (await root.load("dummy", ["numdummies=1"])).ok
        assert (await root.unload(["dummy"])).ok
    lines = vm.read("root", "/tmp/execve").decode().splitlines()
    calls = [line.split(" ", 1)[1].strip() for line in lines if "execve(" in line]
    environment = '["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]'
    assert "/usr/bin/python3" in calls[0]
    assert calls[1:] == [
        f'execve("/sbin/modprobe", ["/sbin/modprobe", {arguments}], {environment}) = 0'
        for arguments in (
            '"--show-depends", "--", "dummy"',
            '"-v", "--", "dummy", "numdummies=1"',
            '"-n", "-v", "-r", "--", "dummy"',
            '"-v", "-r", "--", "dummy"',
        )
    ]


async def test_built_in_and_unknown(session: Open) -> None:
    async with session() as root:
        assert (await root.load("configfs")).code in (ResultCode.BUILT_IN, ResultCode.DONE)
        assert (await root.load("binfmt_script")).code is ResultCode.BUILT_IN
        assert (await root.load("brtfs")).code is ResultCode.UNKNOWN_MODULE


async def test_several_in_the_given_order(vm: VM, session: Open) -> None:
    async with session() as root:
        for name in ("dummy", "loop", "nbd"):
            assert (await root.load(name)).ok
        result = await root.unload(["nbd", "dummy", "loop"])
        assert result.ok
        assert result.after == {"nbd": None, "dummy": None, "loop": None}
        assert not {"nbd", "dummy", "loop"} & loaded(vm)


async def test_rules_of_modprobe(session: Open, rule: Callable[[str], None], vm: VM) -> None:
    async with session() as root:
        rule("install dummy /bin/true")
        result = await root.load("dummy")
        assert (result.code, result.exit) == (ResultCode.NOT_DONE, 0)
        rule("install dummy /bin/false")
        result = await root.load("dummy")
        assert result.code is ResultCode.FAILED
        assert "install rule" in explain(Verb.LOAD, ["dummy"], result).title
        rule("install dummy /sbin/modprobe --ignore-install dummy $CMDLINE_OPTS")
        result = await root.load("dummy", ["numdummies=$(touch /tmp/reached)"])
        assert result.code is ResultCode.INVALID
        assert vm.run("root", ["test", "-e", "/tmp/reached"]).returncode == 1
        assert (await root.load("dummy", ["numdummies=2"])).ok
        assert vm.read("root", "/sys/class/net/dummy1/mtu")
        assert (await root.unload(["dummy"])).ok
        # A rule has the privileges that it has with modprobe in a shell.
        rule(
            "install dummy umask >/tmp/limits; grep -E 'CapBnd|NoNewPrivs' /proc/self/status "
            ">>/tmp/limits; /sbin/modprobe --ignore-install dummy"
        )
        assert (await root.load("dummy")).ok
        shell = ["grep", "-E", "CapBnd|NoNewPrivs", "/proc/self/status"]
        limits = vm.run("root", shell, check=True).stdout
        assert vm.read("root", "/tmp/limits").decode() == f"0022\n{limits}"
        assert (await root.unload(["dummy"])).ok


async def test_the_environment_has_no_say(vm: VM, session: Open) -> None:
    # Beside the helper, and where PYTHONPATH and the current folder point to.
    for folder in ("/root", "/tmp/planted"):
        vm.run("root", ["mkdir", "-p", folder], check=True)
        vm.write("root", f"{folder}/json.py", b"open('/tmp/imported', 'w')\nraise SystemExit\n")
    # With these modprobe would load nothing, and ld.so would complain of every program.
    hostile = (
        "trap '' CHLD; cd /tmp/planted; MODPROBE_OPTIONS='-n -q' LD_PRELOAD=/nonexistent.so "
        "PYTHONPATH=/tmp/planted exec"
    )
    async with session(before=hostile) as root:
        loading = await root.load("dummy")
        assert loading.ok
        unloading = await root.unload(["dummy"])
        assert unloading.ok
        assert "ld.so" not in loading.output + unloading.output
    assert vm.run("root", ["test", "-e", "/tmp/imported"]).returncode == 1
    vm.run("root", ["rm", "-r", "/root/json.py", "/tmp/planted"], check=True)


@pytest.fixture
async def syslog(vm: VM) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Read what comes to /dev/log, as syslogd or journald would, one message at a time."""
    program = (
        "import select, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
        "s.bind('/dev/log'); print(flush=True)\n"
        "while s in select.select([s, 0], [], [])[0]:\n"
        "    print(s.recv(65536).decode('ascii', 'backslashreplace'), flush=True)"
    )
    listener = await asyncio.create_subprocess_exec(
        *vm.ssh("root", shlex.join(["python3", "-c", program])),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert listener.stdout is not None
    await listener.stdout.readline()

    async def message() -> str:
        assert listener.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while b" kmodtui-helper[" not in (line := await listener.stdout.readline()):
                assert line
        return line.decode().rstrip()

    yield message
    await listener.communicate(b"")
    vm.run("root", ["rm", "/dev/log"], check=True)


async def test_through_sudo_with_a_password_and_into_the_log(
    vm: VM, session: Open, syslog: Callable[[], Awaitable[str]]
) -> None:
    """Every request and result is written down, with the person who stands behind it."""
    # It reads no more of its input than the password.
    ask = "LD_PRELOAD=/nonexistent.so PYTHONPATH=/tmp exec sudo -S -p '' --"
    uid = vm.run("admin", ["id", "-u"], check=True).stdout.strip()
    async with session(before=ask, user="admin", first=ADMIN_PASSWORD) as root:
        assert root.hello.uid == 0
        environment = vm.read("root", f"/proc/{root.hello.pid}/environ").decode()
        assert "LD_PRELOAD" not in environment
        assert "PYTHONPATH" not in environment
        began = await syslog()
        assert re.match(
            r"<85>.* kmodtui-helper\[\d+\]: session: started, scope: change \(", began
        )  # authpriv.notice
        who = re.search(
            rf"\(SUDO_UID={uid} SUDO_USER=admin .*tty=\d+:\d+ "
            rf"argv=\['/usr/bin/python3', '-I', '-S', '{PATH}', 'change'\] "
            r"tty=\d+:\d+ argv=\['sudo', '-S', .*\]\)$",
            began,
        )
        assert who, began
        assert (await root.load("dummy", ["numdummies=1"])).ok
        asked = await syslog()
        assert 'request: {"id": 1, "op": "load", "name": "dummy", "parameters"' in asked
        told = await syslog()
        assert asked.endswith(who[0])
        assert told.endswith(who[0])
        assert 'result: id 1 {"code": "done"' in told
        assert '"command": ["/sbin/modprobe", "-v", "--", "dummy", "numdummies=1"]' in told
        assert '"after": {"dummy": "Live"}' in told
        assert (await root.unload(["dummy"])).ok
        assert "request: " in await syslog()
        assert '"after": {"dummy": null}' in await syslog()
        await root.load("no\n<85>forged")  # what would look like a line of its own
        assert r"no\\n<85>forged" in await syslog()
        assert 'result: id 3 {"code": "invalid"' in await syslog()
    assert "end: input closed" in await syslog()


async def test_what_hangs_is_left_and_the_session_goes_on(
    vm: VM, session: Open, gate: Gate
) -> None:
    async with session(child_timeout=6) as root:
        hanging = asyncio.create_task(root.load("dummy"))
        assert (await root.load("loop")).ok, "it has its turn when the time of the other is up"
        result = await hanging
        assert (result.code, result.after) == (ResultCode.TIMEOUT, {"dummy": None})
        assert (await root.unload(["loop"])).ok
        await gate.reached()
        await gate.open()
        await until(lambda: "dummy" in loaded(vm))  # it was not killed


async def test_who_waits_no_longer_for_what_hangs_can_go_on(
    vm: VM, session: Open, gate: Gate
) -> None:
    async with session() as root:
        hanging = asyncio.create_task(root.load("dummy"))
        await gate.reached()
        hanging.cancel()
        assert (await root.load("loop")).ok
        assert "dummy" not in loaded(vm)
        await gate.open()
        await until(lambda: "dummy" in loaded(vm))  # it was not killed


async def test_the_helper_killed_in_the_middle(vm: VM, session: Open, gate: Gate) -> None:
    async with session() as root:
        loading = asyncio.create_task(root.load("dummy"))
        await gate.reached()
        vm.run("root", ["kill", "-KILL", str(root.hello.pid)], check=True)
        with pytest.raises(HelperDiedError):
            await loading
        assert not root.alive
    await gate.open()
    await until(lambda: "dummy" in loaded(vm))


async def test_no_helper_without_its_connection(vm: VM, session: Open, gate: Gate) -> None:
    async with session() as root:
        loading = asyncio.create_task(root.load("dummy"))
        await gate.reached()
        pid = root.hello.pid
    with pytest.raises(HelperDiedError):
        await loading
    await until(lambda: not alive(vm, pid))
    assert "dummy" not in loaded(vm)
    await gate.open()
    await until(lambda: "dummy" in loaded(vm))  # what was begun went to its end


async def test_two_at_once(session: Open) -> None:
    async with session() as one, session() as other:
        first, second = await asyncio.gather(one.load("dummy"), other.load("dummy"))
        # One of them loads it; the other does as well, or finds it loaded.
        assert first.ok or second.ok
        assert {first.code, second.code} <= {ResultCode.DONE, ResultCode.ALREADY_LOADED}
        first, second = await asyncio.gather(one.unload(["dummy"]), other.unload(["dummy"]))
        assert first.ok or second.ok
        # Who comes while the other's unloading goes on hears that it is busy.
        for result in (first, second):
            assert result.code in (ResultCode.DONE, ResultCode.NOT_LOADED) or (
                result.errno == errno.EBUSY and result.after["dummy"] in ("Unloading", None)
            )


async def test_a_reload_takes_new_parameters_and_a_parameter_can_be_written(
    vm: VM, session: Open
) -> None:
    async with session() as root:
        assert (await root.load("nbd", ["nbds_max=2"])).ok
        result = await root.reload("nbd", ["nbds_max=3"])
        assert result.ok, result
        assert (result.before, result.after) == ({"nbd": "Live"}, {"nbd": "Live"})
        assert vm.read("root", "/sys/module/nbd/parameters/nbds_max") == b"3\n"

        read_only = await root.write_parameter("nbd", "nbds_max", "4")
        assert (read_only.code, read_only.errno) == (ResultCode.FAILED, errno.EACCES)
        none = await root.write_parameter("nbd", "none", "4")
        assert (none.code, none.errno) == (ResultCode.FAILED, errno.ENOENT)

        # A bool: what is shown is the kernel's word for what was written.
        value = vm.read("root", "/sys/module/virtio_net/parameters/napi_tx").decode().strip()
        written = await root.write_parameter("virtio_net", "napi_tx", "0")
        assert (written.ok, written.before, written.after) == (
            True, {"napi_tx": value}, {"napi_tx": "N"},
        )  # fmt: skip
        assert vm.read("root", "/sys/module/virtio_net/parameters/napi_tx") == b"N\n"
        wrong = await root.write_parameter("virtio_net", "napi_tx", "x")
        assert (wrong.code, wrong.errno) == (ResultCode.FAILED, errno.EINVAL)
        assert wrong.after == {"napi_tx": "N"}
        assert (await root.write_parameter("virtio_net", "napi_tx", value)).after == {
            "napi_tx": value
        }

        # The kernel's own are no business of a module's person.
        kernel = await root.write_parameter("printk", "time", "0")
        assert kernel.code is ResultCode.NOT_LOADED
