"""What control tells of itself, what it reads of its peers, and the history that it keeps of both.

Here belong asking and carrying. What is kept for how long is `observe.history`'s to say.
"""
