"""What can be seen of a fleet: samples and their history, alert rules, what they lead to.

Here belong pure rules over what was measured, and the files that keep it. Counting belongs to the
plane that does the work; pages and commands belong to the faces.
"""
