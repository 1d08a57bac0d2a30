"""Schedules: work that is begun by the clock.

``times`` (when) and ``policy`` (whether) are pure; ``scheduler`` sleeps until the next time, and
``starting`` gives what is due to the desks.
"""
