"""What was measured, kept in a file at falling resolution: 10 s for an hour, 1 min for a day,
10 min for a month.

Here belong the rules of merging and keeping (pure), and the one file. Which series are worth
keeping is said in `chosen`; who measures them is not known here.
"""

from sutazai.observe.history.chosen import CHOSEN
from sutazai.observe.history.history import History, Query
from sutazai.observe.history.points import Points
from sutazai.observe.history.tiers import TIERS, Tier

__all__ = ["History", "Query", "Points", "Tier", "TIERS", "CHOSEN"]
