"""Traces of work: put together from what is recorded anyway. Pure.

Here belongs the assembling. Reading the record belongs to control.
"""
