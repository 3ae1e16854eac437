"""The folder table is written twice, as links for tools and as a map for the wheel; this keeps them one."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "thinkmeter"
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
LINKS = {p.resolve().relative_to(ROOT).as_posix(): f"thinkmeter/{p.name}" for p in PACKAGE.iterdir() if p.is_symlink()}
OWN = {p.relative_to(ROOT).as_posix() for p in PACKAGE.iterdir() if not p.is_symlink() and p.name != "__pycache__"}


def test_links_and_wheel_map_agree() -> None:
    assert WHEEL["sources"] == {"src/thinkmeter": "thinkmeter", **LINKS}
    assert sorted(WHEEL["only-include"]) == sorted([*OWN, *LINKS])


def test_every_code_folder_is_linked() -> None:
    folders = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert folders == set(LINKS)


def test_modules_stay_small() -> None:
    sizes = {
        p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines())
        for folder in [*LINKS, "src/thinkmeter/commands", "src/thinkmeter/demo"]
        for p in (ROOT / folder).rglob("*.py")
    }
    assert sizes
    assert {name: lines for name, lines in sizes.items() if lines > 400} == {}
