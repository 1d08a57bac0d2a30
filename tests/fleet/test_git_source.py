"""Names of Git sources are taken apart, and what is secret in them stays out of sight."""

from __future__ import annotations

import pytest

from sutazai.fleet.errors import BadInput
from sutazai.fleet.git_source import GitSource, is_git, parse_git


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (
            "git+https://example.org/tea/fleet.git@main#fleets/tea.yaml",
            GitSource("https://example.org/tea/fleet.git", "main", "fleets/tea.yaml"),
        ),
        ("git+https://example.org:8443/tea", GitSource("https://example.org:8443/tea")),
        (
            "git+ssh://git@example.org/tea.git@feature/mint#.",
            GitSource("ssh://git@example.org/tea.git", "feature/mint", "."),
        ),
        ("git+file:///srv/tea.git@v1.2", GitSource("file:///srv/tea.git", "v1.2")),
        (
            "git+file:///srv/a%20b.git#a%20b.yaml",
            GitSource("file:///srv/a%20b.git", path="a b.yaml"),
        ),
    ],
)
def test_what_is_named(text: str, source: GitSource) -> None:
    assert is_git(text)
    assert parse_git(text) == source


def test_a_file_is_none() -> None:
    assert not is_git("fleet.yaml")


def test_secrets_are_taken_out_of_what_is_told() -> None:
    source = parse_git("git+https://tea:s3cr%40t@example.org/tea.git@main")
    assert (source.user, source.password) == ("tea", "s3cr@t")
    assert str(source) == "git+https://example.org/tea.git@main#fleet.yaml"
    assert "tea:" not in repr(source) and "s3cr" not in f"{source!r}{source.url}{source.digest}"
    assert parse_git("git+https://t0ken@example.org/tea.git").url == "https://example.org/tea.git"
    assert parse_git("git+https://${USER}:${TOKEN}@example.org/tea.git").password == "${TOKEN}"


def test_a_branch_has_one_folder_whatever_the_path() -> None:
    one, same, other = (
        parse_git(f"git+https://example.org/tea.git{rest}").digest
        for rest in ("@main#a.yaml", "@main#b.yaml", "@next#a.yaml")
    )
    assert one == same != other


@pytest.mark.parametrize(
    "text",
    [
        "git+svn://example.org/tea",
        "git+ext::sh -c touch",
        "git+https:///tea.git",
        "git+https://example.org",
        "git+https://[s3cret/tea.git",
        "git+ssh://git@example.org:tea/fleet.git",
        "git+ssh://git:s3cret@example.org/tea.git",
        "git+file://host/srv/tea.git",
        "git+https://example.org/tea.git?token=s3cret",
        "git+https://example.org/tea.git@--upload-pack=touch",
        "git+https://example.org/tea.git@main:refs/heads/main",
        "git+https://example.org/tea.git@a..b",
        "git+https://example.org/tea.git#/etc/passwd",
        "git+https://example.org/tea.git#../tea.yaml",
    ],
)
def test_what_names_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_git(text)
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"
