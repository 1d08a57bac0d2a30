"""The command line: a face of the house, with no rules of its own.

Belongs here: commands, what they print, their exit codes; starting a keeper and ending a fleet,
which nobody else can do because nobody else lives before and after it.
Does not belong here: anything that another face would need too; that is an API of control.

One file a command (or a group of commands), imported only when it is called: ``main`` knows their
names. Rich, pydantic and the wire client are therefore paid for by the commands that use them.
"""
