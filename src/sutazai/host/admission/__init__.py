"""Joint admission: an instance starts only where memory, cores, GPU memory and the LLM allow.

Belongs here: what each instance holds and what there is (pure: ``room``, ``ledger``), who may start
and who waits in which order (pure: ``line``), who sleeps to make room (pure: ``evicting``), and the
``desk`` where units ask, take their seats and leave them.
Does not belong here: limits of single instances (``host.limits``), what is ended when memory is
short in spite of all (``host.pressure``), and whether a fleet may be declared (``fleet.fit``).
"""
