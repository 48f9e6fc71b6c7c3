"""Makes what the kernel lane needs and keeps, so that `make test` can do it beside other things.

    python -m tests.kernel.prepare

Where it cannot be made, the tests themselves say why. Standard library only, also in what it
imports: it runs before anything is installed.
"""

import contextlib

from tests.kernel.host_commands import CannotRunError
from tests.kernel.image import cached
from tests.kernel.vm import booted_state

if __name__ == "__main__":
    with contextlib.suppress(CannotRunError):
        booted_state(cached())
