"""Memory pressure: what is ended, and what has to wait, when the machine's memory runs short.

Belongs here: the levels and the policy (pure: ``levels``, ``choice``, ``policy``, ``starts``,
``growth``, ``own``, ``words``), the reading of memory (``reading``, ``measuring``), and the thin
edge that looks every second and carries decisions out on the supervisor (``candidates``,
``telling``, ``ending``, ``watch``).
Does not belong here: limits of single instances, and what a fleet may declare (``fleet.fit``).

The order of things: warning stops cold starts and sends idle warm agents to sleep; critical
suspends idle agents, hot ones too, lowest priority first; emergency kills, lowest priority first,
then what grows fastest. Whatever was ended comes back when it is called, or when memory is
plentiful again.
"""
