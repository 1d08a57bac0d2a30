"""Front doors: the stable port and path of every agent, whichever of its instances answers.

Belongs here: the listeners of doors, the choice of an instance, waking, passing bodies on.
Does not belong here: starting or watching instances (host), and LLM calls.
"""
