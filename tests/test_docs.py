"""What the documents promise is there: links, commands, packages, makefile targets."""

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from thinkmeter.__main__ import command_line
from thinkmeter.commands import MODULES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_targets_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    commands = set(typer.main.get_command(command_line()).commands)  # type: ignore[attr-defined]  # a group's
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets
    assert set(re.findall(r"`thinkmeter ([a-z]+)", text)) <= commands


def test_each_command_is_found_by_its_module() -> None:
    found = {}
    for name, command in typer.main.get_command(command_line()).commands.items():  # type: ignore[attr-defined]  # a group's
        first = next(iter(getattr(command, "commands", {"": command}).values()))
        found[name] = first.callback.__module__.removeprefix("thinkmeter.commands.")
    assert found == MODULES


def test_every_command_is_documented_and_says_what_it_does() -> None:
    commands = typer.main.get_command(command_line()).commands  # type: ignore[attr-defined]  # a group's
    page = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in commands if f"`thinkmeter {name}" not in page] == []
    assert [name for name, command in commands.items() if not command.help] == []


def test_every_dependency_has_its_line_and_no_line_is_left_over() -> None:
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[=<>~! ]", requirement)[0] for requirement in wanted}
    rows = re.findall(r"^\| ([^|]+) \| (?:SDK|server|demo|development) \|", _dependencies(), re.MULTILINE)
    listed = {re.sub(r" \(.*\)", "", name.strip()) for row in rows for name in row.split(",")}
    stubs = {name for name in names if name.startswith("types-") or name.endswith("-stubs")}
    assert "the stub packages" in _dependencies()
    assert names - stubs == listed - {"the stub packages"}


def _dependencies() -> str:
    return (ROOT / "docs" / "dependencies.md").read_text()
