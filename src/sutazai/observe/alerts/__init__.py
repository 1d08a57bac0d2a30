"""Alerts: what is wrong by declared rules, since when and why, and who hears of it.

Here belong the rules' evaluation, silences, escalation, error budgets, the outbox's policy and the
same rules for Prometheus; all of it pure. Collecting samples, files, sending and the API are
control's.
"""
