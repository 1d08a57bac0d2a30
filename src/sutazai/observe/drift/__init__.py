"""Drift: what runs otherwise than it is declared, found by comparing facts.

Here belong what is compared of each kind, the score, what is remembered of findings, and when
something is done about them; all of it pure. Looking, restarting and the API are control's.
"""
