"""`kmodtui helper install`: only root can change the result, and uninstalling removes all of it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pexpect
import platformdirs
import pytest

import kmodtui
from kmodtui.cli import run
from kmodtui.privileged import elevation, helper, install_helper
from kmodtui.privileged.install_helper import (
    ACTION,
    HELPER,
    SUDOERS,
    Unsafe,
    install,
    put,
    require_known,
    temporary_path,
    uninstall,
    writable_part,
)
from tests.support.users import PYTHON, Users, laid_over, some_users

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is root's")
needs_users = pytest.mark.programs("sudo", "visudo")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with polkit and sudo, without /usr/local/libexec."""
    for path in (HELPER, ACTION, SUDOERS):
        folder = Path(f"{tmp_path}{os.path.dirname(path)}")
        folder.mkdir(parents=True)
    Path(f"{tmp_path}{os.path.dirname(HELPER)}").rmdir()
    return tmp_path


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@needs_root
def test_the_copy_belongs_to_root_and_is_executable(root: Path) -> None:
    told = list(install(root=str(root)))
    installed = Path(f"{root}{HELPER}")
    assert installed.read_bytes() == Path(helper.__file__).read_bytes()
    assert stat.S_IMODE(installed.stat().st_mode) == 0o755
    assert stat.S_IMODE(installed.parent.stat().st_mode) == 0o755
    assert writable_part(str(installed)) == ""
    assert f'exec.path">{HELPER}<' in Path(f"{root}{ACTION}").read_text()
    assert not Path(f"{root}{SUDOERS}").exists()  # not requested
    assert str(installed) in told[0]
    with subprocess.Popen(
        [installed, "read"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:  # fmt: skip
        assert session.stdout is not None
        assert b'"hello"' in session.stdout.readline()


def test_packagers_have_the_same_files_in_a_directory(tmp_path: Path) -> None:
    staging = tmp_path / "package"
    staging.mkdir()
    program = Path(install_helper.__file__)
    command = [sys.executable, "-I", "-S", program, "stage", staging, "--sudoers", "%wheel"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{staging}{path}" for path in (HELPER, ACTION, SUDOERS)]
    assert Path(f"{staging}{HELPER}").read_bytes() == Path(helper.__file__).read_bytes()
    assert stat.S_IMODE(Path(f"{staging}{HELPER}").stat().st_mode) == 0o755
    policy = Path(f"{staging}{ACTION}").read_text()
    actions = re.findall(r'action id="([a-z.]+)".*?exec.argv1">([a-z]+)<', policy, re.DOTALL)
    assert actions == [("org.kmodtui.helper.read", "read"), ("org.kmodtui.helper.change", "change")]
    assert (
        "%wheel ALL=(root) KMODTUI_READ, KMODTUI_CHANGE" in Path(f"{staging}{SUDOERS}").read_text()
    )


def test_the_helper_of_a_package_is_left_to_the_package_manager(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install_helper, "HELPER", "/usr/libexec/kmodtui-helper")
    for verb in ("install", "uninstall"):
        assert run(["--no-read-only", "helper", verb]) == 2
        assert "comes from a package, and so does its helper" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["install", "kmt-bob"], ["install", "--sudoers"], ["uninstall", "--sudoers", "x"],
     ["stage"], ["stage", "/tmp", "--sudoers"], ["install", "--other", "x"], ["remove"]],
)  # fmt: skip
def test_the_program_that_installs_refuses_other_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage: install_helper"):
        install_helper.main(arguments)


@needs_root
def test_uninstalling_removes_everything(root: Path) -> None:
    before = tree(root)
    list(install(root=str(root)))
    Path(temporary_path(f"{root}{HELPER}")).write_text("of an installation that was cut off")
    assert len(list(uninstall(str(root)))) == 3
    assert tree(root) == before
    assert list(uninstall(str(root))) == []


@needs_root
def test_a_directory_with_other_files_is_kept(root: Path) -> None:
    list(install(root=str(root)))
    other = Path(f"{root}{HELPER}").with_name("other")
    other.write_text("")
    list(uninstall(str(root)))
    assert other.exists()


@needs_root
@pytest.mark.parametrize("folder", ["/usr", "/usr/local", "/usr/share/polkit-1/actions"])
@pytest.mark.parametrize("fault", ["group", "everybody", "owner"])
def test_it_is_not_installed_where_others_can_write(root: Path, folder: str, fault: str) -> None:
    path = Path(f"{root}{folder}")
    if fault == "owner":
        os.chown(path, 65534, 65534)
    else:
        path.chmod(0o775 if fault == "group" else 0o757)
    before = tree(root)
    with pytest.raises(Unsafe, match=f"{folder} is missing or writable by users other than root"):
        list(install(root=str(root)))
    assert tree(root) == before


@needs_root
def test_a_link_that_others_can_change_is_found(root: Path) -> None:
    loose = root / "loose"
    loose.mkdir()
    Path(f"{root}/real").mkdir()
    (loose / "libexec").symlink_to(root / "real")
    loose.chmod(0o777)
    assert writable_part(str(loose / "libexec")) == str(loose)


@needs_root
def test_planted_links_are_replaced_and_not_followed(root: Path) -> None:
    victim = root / "victim"
    victim.write_text("untouched")
    installed = Path(f"{root}{HELPER}")
    installed.parent.mkdir()
    installed.symlink_to(victim)
    Path(temporary_path(str(installed))).symlink_to(victim)
    list(install(root=str(root)))
    assert not installed.is_symlink()
    assert victim.read_text() == "untouched"


@needs_root
def test_a_rule_that_visudo_rejects_changes_nothing(root: Path) -> None:
    path = Path(f"{root}{SUDOERS}")
    path.write_text("old")
    with pytest.raises(Unsafe, match="refused"):
        put(str(path), "new", 0o440, ["/bin/false"])
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "who",
    ["ALL", "%", "", "#0", "a b", "a,b", "root ALL=(ALL) ALL\nx", "+net", "%#0", "../x", "a=b", "ä",
     "!root", "User_Alias", "a\n"],
)  # fmt: skip
def test_names_with_a_meaning_in_sudoers_are_refused(who: str) -> None:
    with pytest.raises(Unsafe, match="name of a user"):
        require_known(who)


def test_an_unknown_user_is_refused() -> None:
    with pytest.raises(Unsafe, match="kmodtui-nobody does not exist on this machine"):
        require_known("kmodtui-nobody")


def test_without_isolation_or_root_it_does_nothing() -> None:
    program = str(install_helper.__file__)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "-I -S" in done.stderr
    if os.geteuid() != 0:
        done = subprocess.run(
            [sys.executable, "-I", "-S", program, "install"], capture_output=True, check=False
        )
        assert b"must be run as root" in done.stderr


@pytest.mark.parametrize("verb", ["install", "status", "uninstall"])
def test_the_commands_in_hints_exist(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [path.read_text() for path in Path(kmodtui.__file__).parent.rglob("*.py")]
    named = set(re.findall(r"kmodtui helper (\w+)", "\n".join(sources)))
    assert named <= {"install", "status", "uninstall"}
    with pytest.raises(SystemExit) as caught:
        run(["helper", verb, "--help"])
    assert caught.value.code == 0


@pytest.fixture
def never_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Fail if root is requested; return the path of the configuration file."""

    def ask(*_: object, **__: object) -> NoReturn:
        pytest.fail("root was asked for")

    monkeypatch.setattr(elevation, "detect", ask)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "kmodtui").mkdir()
    return tmp_path / "kmodtui" / "config.toml"


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_root_is_not_requested_in_read_only_mode(
    never_asked: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(["--read-only", "helper", verb]) == 1
    told = capsys.readouterr().err
    assert "kmodtui was started with --read-only." in told
    never_asked.write_text("read_only = true\n")
    assert run(["helper", verb]) == 1
    told = capsys.readouterr().err
    assert f"read_only = true is set in {never_asked}." in told
    assert "kmodtui with --no-read-only" in told
    with pytest.raises(pytest.fail.Exception, match="root was asked for"):
        run(["--no-read-only", "helper", verb])
    assert run(["--read-only", "helper", "status"]) in (0, 1)
    assert "read_only" not in capsys.readouterr().err


# As a user does it


class World:
    """A machine with sudo, on which nothing of kmodtui is installed."""

    def __init__(self, users: Users) -> None:
        self.users = users
        users.write("sudoers", "kmt-alice ALL=(ALL:ALL) ALL", "@includedir /etc/sudoers.d")
        run = f"import sys; sys.path.insert(0, '{users.folder}'); from kmodtui.cli import run"
        users.write("../kmodtui-here", f"#!{PYTHON} -IS", run, "sys.exit(run(sys.argv[1:]))")
        (users.folder / "kmodtui-here").chmod(0o755)
        # For the configuration, which can set read_only.
        shutil.copytree(Path(platformdirs.__file__).parent, users.folder / "platformdirs")

    def shell(self, user: str, command: str, *setup: str) -> pexpect.spawn[str]:
        """Run a shell command with `kmodtui` in it; $? is shown at its end."""
        over = laid_over("/usr/local", "/usr/share/polkit-1/actions")
        shown = command.replace("kmodtui ", f"{self.users.folder}/kmodtui-here ")
        become = [
            *over, "mkdir -p /run/sudo /var/lib/sudo", "mount -t tmpfs none /var/lib/sudo",
            "chmod 440 /etc/sudoers", f"rm -rf /usr/local/libexec {ACTION}",
            *(line.replace("kmodtui ", f"{self.users.folder}/kmodtui-here ") for line in setup),
        ]  # fmt: skip
        home = "HOME=/nonexistent; export HOME"
        return self.users.run(user, f"{home}; {shown}; echo STATUS $?", become)


@pytest.fixture
def world() -> Iterator[World]:
    with some_users() as users:
        yield World(users)


@needs_users
def test_install_status_and_uninstall(world: World) -> None:
    shell = world.shell(
        "kmt-alice",
        "umask 077; kmodtui helper status; kmodtui helper install --sudoers && "
        "kmodtui helper status && kmodtui helper uninstall; "
        "echo LEFT $(sudo find /usr/local/ /usr/share/polkit-1/ /etc/ -name '*kmodtui*' -o "
        "-path /usr/local/libexec); kmodtui helper status",
    )
    shell.expect("kmodtui-helper: not installed")
    shell.expect(r"Running as root \(sudo\): /usr/bin/python3 -I -S .*install_helper.py install")
    shell.expect("assword.*: ")
    shell.sendline("secret")
    shell.expect(f"{SUDOERS}: kmt-alice may start the helper")
    shell.expect("kmodtui-helper: version .*, same file as in this kmodtui")
    shell.expect("0755 root     /usr/local/libexec/kmodtui-helper\r\n")
    assert "writable by users other than root" not in shell.before
    shell.expect("kmodtui-helper: removed")
    shell.expect("LEFT *\r\n")
    shell.expect("kmodtui-helper: not installed")
    shell.expect("STATUS 1")
    shell.close()


@needs_users
def test_status_names_paths_that_others_can_write(world: World) -> None:
    shell = world.shell(
        "kmt-bob", "kmodtui helper status", "kmodtui helper install", "chmod g+w /usr/local/libexec"
    )
    shell.expect("/usr/local/libexec  writable by users other than root!")
    shell.expect("so kmodtui starts its own copy: .*/privileged/helper.py")
    shell.expect("STATUS 1")
    shell.close()


@needs_users
def test_status_reports_a_changed_polkit_action(world: World) -> None:
    shell = world.shell(
        "kmt-bob", "kmodtui helper status", "kmodtui helper install",
        f"sed -i s/auth_admin/yes/ {ACTION}",
    )  # fmt: skip
    shell.expect("kmodtui.helper.policy: installed, but not the one of this kmodtui")
    shell.expect("python   /usr/bin/python3: runs the installed helper")
    shell.close()


@needs_users
def test_without_permission_to_become_root_nothing_is_installed(world: World) -> None:
    shell = world.shell("kmt-bob", "kmodtui helper install; kmodtui helper status")
    shell.expect("assword.*: ")
    shell.sendline("secret")
    shell.expect("kmt-bob is not in the sudoers file")
    shell.expect("kmodtui-helper: not installed")
    shell.expect("STATUS 1")
    shell.close()


@needs_users
def test_the_sudo_rule_permits_only_the_helper(world: World) -> None:
    """kmt-bob can start the helper with sudo and his password, but nothing else."""
    shell = world.shell(
        "kmt-bob",
        f"for c in /usr/bin/id '{HELPER}' '{HELPER} read --other' '/usr/bin/python3 {HELPER}'; do "
        "echo secret | sudo -S -p '' $c; done; "
        f"{PYTHON} {world.users.folder}/sudo_session.py {world.users.folder} way=sudo stay",
        "kmodtui helper install --sudoers kmt-bob",
    )
    for command in ("/usr/bin/id", HELPER, f"{HELPER} read --other", f"/usr/bin/python3 {HELPER}"):
        shell.expect(f"kmt-bob is not allowed to execute '{command}' as root")
    shell.expect(f"root privileges are needed for {HELPER} change\r\n")
    shell.expect("assword.*: ")
    shell.sendline("secret")
    shell.expect("HELLO sudo 0")
    shell.close()


@needs_users
def test_a_rule_to_read_permits_no_change(world: World) -> None:
    script = f"{PYTHON} {world.users.folder}/sudo_session.py {world.users.folder} way=sudo"
    shell = world.shell(
        "kmt-bob",
        f"echo secret | sudo -S -p '' {HELPER} change; {script} read",
        "kmodtui helper install --sudoers-read kmt-bob",
    )
    shell.expect(f"kmt-bob is not allowed to execute '{HELPER} change' as root")
    shell.expect(f"root privileges are needed for {HELPER} read\r\n")
    shell.expect("assword.*: ")
    shell.sendline("secret")
    shell.expect("HELLO sudo 0")
    shell.expect("ANSWER invalid This session can only read.")
    shell.close()
