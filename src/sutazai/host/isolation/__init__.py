"""Keeps instances from each other and from the fleet's own files, as far as this machine allows.

Here: what each instance is to be kept behind, its user and home, and the view of the file system
that instances have. The instance itself goes behind it (`agent.confinement`).
"""

from sutazai.host.isolation.isolation import Isolator
from sutazai.host.isolation.machine import Allowed, allowed
from sutazai.host.isolation.view import why_no_view

__all__ = ["Isolator", "Allowed", "allowed", "why_no_view"]
