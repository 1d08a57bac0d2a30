"""Fleet files that ship with the product, for `sutazai init` and for a start without a file.

Belongs here: whole, commented fleet files, and handing out their text.
Does not belong here: agents; those stand in the catalogue.
"""

from __future__ import annotations

from importlib.resources import files

from sutazai.fleet.errors import NotFound

_SUFFIX = ".yaml"


def profile_names() -> tuple[str, ...]:
    """Names of all profiles, in alphabetical order."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def profile_text(name: str) -> str:
    """The fleet file of profile ``name``. Raises NotFound."""
    if name not in profile_names():
        raise NotFound(
            f"there is no profile {name}", hint=f"choose one of {', '.join(profile_names())}"
        )
    return (files(__name__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
