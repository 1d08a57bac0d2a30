"""What `sutazai top` reads and shows: pure figures and views, and the thin edges around them.

Belongs here: one file for each view, what they share, reading, and the terminal.
Does not belong here: the command's options, and views that other commands have, too.
"""
