"""Control's API as Python calls: one class, for every face.

Belongs here: making requests and reading their answers, errors included.
Does not belong here: which fleet is meant (faces find that out), and anything that control does.
"""

from sutazai.client.control import Control, log_of

__all__ = ["Control", "log_of"]
