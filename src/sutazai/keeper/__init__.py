"""The root process of one machine: it outlives everything else and therefore does little.

Belongs here: restarting the host, holding the listening sockets, reaping and journalling every
process that ends, and ending whatever is left on `down`.
Does not belong here: any import of another room or of a package, any knowledge of fleets, agents
or HTTP. Its memory is taken for as long as the machine is up, so it is counted in single imports:
`dataclasses` (1.2 MiB), `typing`, `pathlib` and `argparse` (0.6 to 1 MiB each) are left out, and
records are plain classes with slots.

Linux 5.3 or later (pidfd). The protocol of ``keeper.sock`` is described in ``control.py``.
"""
