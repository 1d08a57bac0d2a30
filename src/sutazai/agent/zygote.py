"""The zygote: a single-threaded process that has imported much once and forks instances.

The base zygote of an environment has imported the SDK; below it one has also imported the code of
one class. It reads requests from a SEQPACKET socket to its host, one message each with its
descriptors, and ends when the host does. (They are in Python's own form, which is read without any
code of Python: JSON costs each instance 70 KiB. Both sides have the same version of it.)

An agent goes on in the fork; a command replaces it by its program. Each is forked twice, so that it
belongs to the keeper (the nearest subreaper) and neither the zygote's nor the host's death touches
it. The new process answers the host itself, with a pidfd, so there is no moment in which its id
could mean somebody else.
"""

from __future__ import annotations

import gc
import json
import marshal
import os
import signal
import socket
import sys
import threading
import traceback
from dataclasses import asdict
from functools import partial

from sutazai.agent import life
from sutazai.agent.packing import fill_holes, pack_code
from sutazai.agent.preload import Fitness, Verdict, preload
from sutazai.agent.rehearsal import TIMES, rehearse
from sutazai.fleet.errors import SutazaiError

REQUEST_MAX = 192 * 1024
DESCRIPTORS_MAX = 16


def main() -> None:
    """Serves on the socket of the number in the first argument; the second is a folder to use."""
    host = socket.socket(fileno=int(sys.argv[1]))
    life.name_process("zygote")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pack_code(partial(rehearse, sys.argv[2], 2))
    rehearse(sys.argv[2], TIMES)
    if threading.active_count() != 1:
        raise SutazaiError("an import started a thread: instances cannot be forked from here")
    _serve(host, Verdict(Fitness.FIT))


def _hatch(host: socket.socket, module: str) -> None:
    """Makes a zygote of one class of this process, if what it imports allows that."""
    verdict = preload(module)
    if verdict.fitness is Fitness.FIT:
        _serve(host, verdict)
    else:
        _tell(host, verdict)


def _serve(host: socket.socket, verdict: Verdict) -> None:
    """Forks what is asked for until the host is gone."""
    _freeze()
    _tell(host, verdict)
    while True:
        message, descriptors, _, _ = socket.recv_fds(host, REQUEST_MAX, DESCRIPTORS_MAX)
        if not message:
            return
        _fork(host, message, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _freeze() -> None:
    """Puts all that is imported out of the collector's reach, so that forks go on sharing it."""
    fill_holes()
    gc.freeze()
    gc.disable()


def _tell(host: socket.socket, verdict: Verdict) -> None:
    host.send(json.dumps(asdict(verdict)).encode())


def _fork(host: socket.socket, message: bytes, descriptors: list[int]) -> None:
    # The message is read in the fork: what the zygote itself writes to between two forks is memory
    # that no instance shares.
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    # Nothing may leave this branch: both processes in it end by _exit.
    try:
        if not os.fork():
            request = marshal.loads(message)  # noqa: S302 (it is our host's)
            os._exit(life.begin(host, request, descriptors, _hatch))
    except BaseException:  # noqa: BLE001 (the end of the process: all is said in its log)
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
