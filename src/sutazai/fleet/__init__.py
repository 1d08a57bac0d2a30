"""The language of the house: what a fleet is, and the words every other room shares.

Belongs here: the fleet file's models, units, names, errors, ports, the hierarchy, and the shapes
that cross between processes (desired state, routes, facts).
Does not belong here: any I/O at import, any clock, any policy that only one plane needs.
"""
