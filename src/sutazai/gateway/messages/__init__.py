"""Messages between agents, as the gateway passes them on.

Belongs here: what a sender may do (hierarchy, types, sizes), the versions of the protocol, pushing
messages to instances through their doors, and the answers for control and people.
Does not belong here: inboxes, order, and what lasts (bus); starting instances (host).

`office` takes messages in, `courier` brings them; `links`, `rules` and `envelope` are pure.
"""
