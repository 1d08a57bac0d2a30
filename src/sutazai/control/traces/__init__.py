"""Traces of tasks, on their way to a collector.

How they are put together, and when what is sent, is `observe.traces`' to say.
"""
