"""The database: what control must remember, in SQLite (WAL) or, by URL, in Postgres.

Belongs here: tables, migrations, and one small repository class a subject, which takes and gives
the frozen shapes of `fleet` and never a row. Blocking SQLAlchemy runs in worker threads behind the
one seam `Database`; nothing here blocks an event loop.
Does not belong here: rules. What is written when is decided above.
"""

from sutazai.store.changes import TaskChanges
from sutazai.store.database import Database
from sutazai.store.events import Events
from sutazai.store.executors import Executors
from sutazai.store.fetchers import Fetchers
from sutazai.store.figures import Figures, WorkFigures
from sutazai.store.intake import Intake
from sutazai.store.migrate import migrate
from sutazai.store.policies import Policies
from sutazai.store.revisions import Revisions
from sutazai.store.rollouts import RolloutRecord, Rollouts
from sutazai.store.runs import Runs
from sutazai.store.schedules import Schedules
from sutazai.store.stops import Stops
from sutazai.store.tasks import Tasks, Wanted
from sutazai.store.turns import Turns

__all__ = [
    "Database",
    "migrate",
    "Events",
    "Executors",
    "Fetchers",
    "Figures",
    "Intake",
    "Policies",
    "Revisions",
    "RolloutRecord",
    "Rollouts",
    "Runs",
    "Schedules",
    "Stops",
    "TaskChanges",
    "Tasks",
    "Turns",
    "Wanted",
    "WorkFigures",
]
