"""Instances: processes of ours, from their start to the last word in their log.

Belongs here: bringing one into the world (``launcher``, ``zygote``), what the host holds of it
(``process``, ``records``, ``output``, ``exits``), whether it is well (``probes``) and how it ended.
Does not belong here: how many there should be, and when (``host.units``).
"""
