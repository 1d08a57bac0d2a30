"""Who calls, and what they may: keys, budgets, the tasks that are being served, web pages.

Everything but the reading of headers is pure.
"""
