"""Units: what is wanted of each agent, service and plane, and what is done about it.

Belongs here: the policies (pure: ``lifecycle``, ``backoff``, ``temperature``, ``scaling`` and the
``presence`` that follows from both, ``freezing``, ``condition``), the ``unit`` that carries out
what they decide about what is ``running``, and the ``supervisor`` of all units of this machine.
Does not belong here: how a process starts and ends (``host.instances``), what it may take
(``host.limits``), and what is done when memory is short (``host.pressure``).
"""
