"""The gateway as a process, from the tests of the process."""

from tests.gateway.test_process import at_home, keeper, outside

__all__ = ["at_home", "keeper", "outside"]
