"""Alerts in control: evaluates what was collected, remembers it on disk, and sees to it that
whoever should hear of it does. Every decision is `observe.alerts`'s."""
