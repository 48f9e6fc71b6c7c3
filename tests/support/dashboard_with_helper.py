"""The dashboard of a captured tree, with root: `dashboard_with_helper.py TREE FOLDER`.

The helper is the real one, in a process of its own, on FOLDER; see `helper_folder`. It is
not root, so that this needs neither root nor sudo: what ends it is the same.
"""

import sys
from pathlib import Path

from kmodtui import cli
from kmodtui.kernel.host import LocalHost
from kmodtui.model.scope import Scope
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import Foreground
from kmodtui.privileged.sockets import Process, SocketTransport
from kmodtui.services.machine import Machine
from kmodtui.ui import launch

TREE, FOLDER = sys.argv[1:]


class FolderRoot:
    """Starts the helper on the directory, without asking."""

    state, sentence, held, denied = "root: off", "The helper starts.", "It runs.", None

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        script = Path(__file__).with_name("helper_on_folder.py")
        command = [sys.executable, "-I", "-S", str(script), FOLDER, scope.value, "600", "600", "30"]
        process = Process.start(command, own_session=True)
        return await HelperClient.connect(await SocketTransport.over(process), "test")


if __name__ == "__main__":
    launch._machine = lambda *_: Machine(LocalHost(TREE), FolderRoot())
    sys.exit(cli.run([]))
