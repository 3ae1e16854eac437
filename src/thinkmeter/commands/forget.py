"""`thinkmeter forget`: erases what is known of a user, a session or a request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from thinkmeter.commands.line import app
from thinkmeter.commands.options import DEFAULT_DATA_DIR, ConfigFile, DataDir, StoreUrl, store_address, store_client
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.schema.store.erasure import Kind, erase

KEPT_IN: Final = ("spool", "quarantine")
"""Directories under --data in which requests lie as they were sent."""


@app.command()
def forget(
    user: Annotated[str | None, typer.Option("--user", help="All requests of this user.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="All requests of this session.")] = None,
    request: Annotated[str | None, typer.Option("--request", help="This request.")] = None,
    project: Annotated[str, typer.Option("--project", help="Of this project.")] = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased.")] = False,
    config: ConfigFile = None,
    data: DataDir = DEFAULT_DATA_DIR,
    store_url: StoreUrl = None,
) -> None:
    """Erase whole requests everywhere: spans, recorded content, calls, verdicts, labels, alerts, and quarantine.

    The bytes are gone when the command ends. Backups are not touched, nor is what applications send later.
    """
    kind, name = _what(user, session, request)
    data = data.expanduser()
    with store_client(store_address(data, store_url, config)) as client:
        found = erase(client, kind, name, project=project, dry_run=True)
        kept = _holding(data, name)
        _tell(found.rows, kept, f"{found.requests} requests of {kind} {name}")
        if dry_run or not (any(found.rows.values()) or kept):
            return
        if not yes:
            typer.confirm("Erase them for good?", abort=True)
        if waiting := [file for file in kept if file.parent.name == "spool"]:
            raise ThinkmeterError(
                f"{len(waiting)} files of the spool hold it and are not in the store yet: repeat once they are written"
            )
        erase(client, kind, name, project=project)
    for file in kept:
        file.unlink(missing_ok=True)
        file.with_suffix(".json").unlink(missing_ok=True)
    typer.echo("erased")
    if found.shared_traces:
        typer.echo(
            f"{found.shared_traces} traces hold requests of others, too: spans in them that name nobody were kept"
        )


def _what(user: str | None, session: str | None, request: str | None) -> tuple[Kind, str]:
    asked: dict[Kind, str | None] = {"user": user, "session": session, "request": request}
    given = [(kind, name) for kind, name in asked.items() if name]
    if len(given) != 1:
        raise typer.BadParameter("say one of --user, --session and --request")
    return given[0]


def _holding(data: Path, name: str) -> list[Path]:
    """Files under --data with requests as they were sent that hold this id."""
    files = [file for folder in KEPT_IN for file in (data / folder).rglob("*") if file.suffix in (".segment", ".pb")]
    return [file for file in files if name.encode() in file.read_bytes()]


def _tell(rows: Mapping[str, int], kept: list[Path], of: str) -> None:
    told = ", ".join(f"{count:,} of {table}" for table, count in rows.items() if count)
    files = f", {len(kept)} files" if kept else ""
    typer.echo(f"{of}: {told or 'no rows'}{files}")
