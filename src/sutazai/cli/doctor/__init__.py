"""What this machine offers a fleet and what it lacks: facts turned into findings.

Facts are read by ``examine``; what each means is said by pure functions, one file a subject.
"""

from sutazai.cli.doctor.examine import examine
from sutazai.cli.doctor.finding import Finding, Level, worst

__all__ = ["examine", "Finding", "Level", "worst"]
