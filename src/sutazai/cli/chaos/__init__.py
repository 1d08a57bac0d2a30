"""Chaos on a running fleet: what is declared is done, work is given meanwhile, and the ledger says
what became of it. Everything that was done is undone at the end, also when it is interrupted.
"""
