"""Declared workflows: ``machine`` says what comes next and is pure, ``declared`` does it."""
