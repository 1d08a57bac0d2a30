"""An agent as a Python process of its own: ``python -m benchmarks.dense.alone FILE``.

FILE is JSON: ``identity`` as the agent has it, and the ``socket`` to serve on.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from sutazai.agent import process
from sutazai.agent.identity import Identity


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(told["socket"])
    listener.listen()
    process.set_up_logging()
    process.run(Identity(**told["identity"]), listener)


if __name__ == "__main__":
    main()
