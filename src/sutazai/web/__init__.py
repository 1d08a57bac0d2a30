"""The dashboard: what a browser shows of a fleet, and what can be done about it there.

Belongs here: pages (``pages``), how they look (``look``), who may see them (``access``, ``login``),
and the one ``feed`` that all viewers share.
Does not belong here: rules of any kind. It is a client of control's API like any other: it knows
neither databases nor sockets of planes, and nothing stops when it is left out.
"""
