"""The host: the supervisor of one machine. It owns every instance and service on it.

Belongs here: what runs (``units``), the processes that it runs in (``instances``), what they may
take (``limits``), what is done when memory is short (``pressure``), and what this machine offers
(``machine``).
Does not belong here: what should run (control says so), where calls go (gateway), and anything
that would need control to be alive.
"""
