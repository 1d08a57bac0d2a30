"""Tasks for agents that fetch them.

Belongs here: which tasks such an agent may have, what a fetched task looks like, and when one comes
back because nobody will ever complete it.
Does not belong here: the queue itself (`tasks.dispatch`, `store`), and who the agents are: the
gateway knows them by their keys.
"""
