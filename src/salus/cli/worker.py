"""One of several processes of a server: ``python -m salus.cli.worker``, started by ``salus serve --workers``."""

from __future__ import annotations

import sys

from salus.cli.serve import every_route
from salus.server.events import to_stderr
from salus.server.supervisor import end_with, order


def main() -> None:
    """Serve what is told on the input, until told to stop."""
    told = sys.stdin.buffer
    listener, counted, upkeep, serving = order(told)
    to_stderr(serving.form)
    end_with(told)
    serving.run(serving.application(every_route(), counted=counted, upkeep=upkeep, alone=False), listener)


if __name__ == "__main__":
    main()
