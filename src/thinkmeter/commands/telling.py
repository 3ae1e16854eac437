"""How a command that stays tells what happens: in sentences on standard output, or as lines of JSON among its log."""

import logging

from rich.console import Console

from thinkmeter.schema.logs import LogSettings, Tell, event, speaks_json, start_logs

log = logging.getLogger(__name__)


def start_telling(settings: LogSettings) -> Tell:
    """Begin to log as the settings say; what tells on standard output, or in the log where that is JSON."""
    start_logs(settings)
    if speaks_json():
        return _log
    console = Console(highlight=False, soft_wrap=True)

    def say(_: str, sentence: str, /, level: int = logging.INFO, **fields: object) -> None:
        console.print(sentence, markup=False)

    return say


def _log(name: str, sentence: str, /, level: int = logging.INFO, **fields: object) -> None:
    log.log(level, "%s", sentence, extra=event(name, **fields))
