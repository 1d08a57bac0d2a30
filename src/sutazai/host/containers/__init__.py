"""Containers: instances that an engine of this machine runs, Docker or Podman, by Docker's API.

Belongs here: which engine there is (``sockets``), asking it (``engine``, and ``creating`` by the
package ``docker``, which is imported only when a container is made), what a container is made of
(``plan``, pure), what the host holds of one (``contained``, ``usage``, ``output`` with its pure
``frames`` and ``position``), the runtime as a whole (``runtime``), and the end of a fleet's
containers (``place``, ``ending``).
Does not belong here: how many there should be, and when (``host.units``).
"""

from sutazai.host.containers.ending import clear_containers
from sutazai.host.containers.runtime import Containers
from sutazai.host.containers.sockets import missing_engine

__all__ = ["Containers", "clear_containers", "missing_engine"]
