"""The code of accepted versions is kept, and only that."""

from __future__ import annotations

from pathlib import Path

from sutazai.control.kept_code import forget_code, keep_code
from sutazai.fleet.code import code_of, codes_of
from sutazai.fleet.spec import Agent, Fleet


def written(base: Path, text: str = "one") -> Fleet:
    (base / "parts").mkdir(exist_ok=True)
    (base / "parts" / "__init__.py").write_text(f"PART = {text!r}\n")
    (base / "mine.py").write_text("from parts import PART\n")
    (base / "data.txt").write_text("no code")
    return Fleet(name="small", agents={"ann": Agent.model_validate({"class": "mine:Mine"})})


def test_all_that_python_would_import_is_kept_by_digest(tmp_path: Path) -> None:
    base, kept = tmp_path / "base", tmp_path / "kept"
    base.mkdir()
    fleet = written(base)
    codes = codes_of(fleet, base)
    keep_code(fleet, base, codes, kept)
    copy = kept / codes["ann"]
    assert code_of(copy, "mine:Mine") == codes["ann"]
    assert not (copy / "data.txt").exists()
    written(base, "two")
    keep_code(fleet, base, codes_of(fleet, base), kept)
    assert (copy / "parts" / "__init__.py").read_text() == "PART = 'one'\n"
    assert len(list(kept.iterdir())) == 2


def test_code_that_has_changed_since_is_not_kept_under_the_old_digest(tmp_path: Path) -> None:
    base, kept = tmp_path / "base", tmp_path / "kept"
    base.mkdir()
    codes = codes_of(written(base), base)
    keep_code(written(base, "two"), base, codes, kept)
    assert list(kept.iterdir()) == []


def test_what_no_revision_needs_and_what_a_crash_left_goes(tmp_path: Path) -> None:
    for name in ("needed", "old", ".half"):
        (tmp_path / name).mkdir()
    forget_code(tmp_path, {"needed"})
    assert [each.name for each in tmp_path.iterdir()] == ["needed"]
    forget_code(tmp_path / "missing", ())
