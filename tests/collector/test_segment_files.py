"""The embedded store reads the files of the spool by itself, and what comes out is what it would be sent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.collector.inserting import CALL, big, body, counted, cut_inside, wrong_wire_type
from tests.collector.inserting import emptied as emptied
from tests.collector.inserting import installed as installed
from tests.collector.inserting import module_client as module_client
from tests.collector.otlp import RECEIVED, logs, record, span_of, traces
from thinkmeter.collector.insertion import Insertion
from thinkmeter.collector.record import Contents, marker, new_segment_id, read_whole
from thinkmeter.collector.record import record as spool_record
from thinkmeter.collector.segment import Signal, frame
from thinkmeter.schema import attributes as a
from thinkmeter.schema.errors import PermanentError, RetryableError


def on_disk(folder: Path, frames: Sequence[bytes], signal: Signal = Signal.TRACES) -> Contents:
    """The frames as the spool has them."""
    segment_id = new_segment_id(signal)
    path = folder / f"{segment_id}.segment"
    path.write_bytes(b"".join(piece for one in frames for piece in spool_record(marker(segment_id), one, 1)))
    contents = read_whole(path, path.stat().st_size, marker(segment_id))
    assert contents is not None
    return contents


TABLES_HASHED = {
    Signal.TRACES: ("spans", "verdicts", "labels"),
    Signal.LOGS: ("log_records", "verdicts", "labels"),
}


def rows_of(client: Client, signal: Signal) -> list[Sequence[Any]]:
    """How many rows each table has, and a sum over all that is in them but for when they came."""
    return [
        client.query(
            f"SELECT count(), sum(cityHash64(*)) FROM (SELECT * EXCEPT '^inserted$' FROM {table})"
        ).result_rows[0]
        for table in TABLES_HASHED[signal]
    ]


@pytest.mark.parametrize("evaluations", [False, True], ids=["calls", "evaluations"])
@pytest.mark.parametrize("signal", Signal)
def test_the_store_reads_from_the_file_of_a_segment_what_it_would_be_sent(
    emptied: Client, installed: Insertion, tmp_path: Path, signal: Signal, evaluations: bool
) -> None:
    verdict = {a.EVALUATION_NAME: "orm", a.EVALUATION_SCORE_VALUE: 0.4, a.VERDICT_THRESHOLD: 0.7}
    frames = []
    for number in range(0, 600, 30):
        if signal is Signal.TRACES:
            events = [(a.EVALUATION_EVENT, verdict)] if evaluations else []
            told = [
                span_of({**CALL, a.REQUEST_ID: f"r{n}", "padding": "x" * 20_000}, n + 1, events=events)
                for n in range(number, number + 30)
            ]
            frames.append(frame(traces(told), f"project {number % 4}", RECEIVED + number))
        else:
            event = a.EVALUATION_EVENT if evaluations else "app.event"
            records = [
                record({**verdict, a.REQUEST_ID: f"r{n}", "padding": "x" * 20_000}, event=event)
                for n in range(number, number + 30)
            ]
            frames.append(frame(logs(records), f"project {number % 4}", RECEIVED + number))
    contents = on_disk(tmp_path, frames, signal)
    found = []
    for way, sent in (("file", contents.frames), ("sent", frames)):
        for _ in range(2):  # under one token, once
            installed.insert_segment(emptied, signal, sent, f"{way} {signal} {evaluations}")
        found.append(rows_of(emptied, signal))
        for table in TABLES_HASHED[signal]:
            emptied.command(f"TRUNCATE TABLE {table}")
    assert found[0] == found[1]
    assert found[0][0][0] == 600
    assert found[0][1][0] == (600 if evaluations else 0)


def test_a_token_that_was_sent_holds_for_the_file_and_the_other_way_round(
    emptied: Client, installed: Insertion, tmp_path: Path
) -> None:
    frames = [frame(big(), "default", RECEIVED)]
    contents = on_disk(tmp_path, frames)
    for ways in ([frames, contents.frames], [contents.frames, frames]):
        for sent in ways:
            installed.insert_segment(emptied, Signal.TRACES, sent, f"token {len(ways[0])} {ways[0] is frames}")
        assert counted(emptied) == 60
        emptied.command("TRUNCATE TABLE spans")


@pytest.mark.parametrize("name", ["a b 'c' \"d\" ü \\ $x", "all*", "{one,two}", "who?", "a :: b"])
def test_a_segment_comes_in_whatever_its_folder_is_called(
    emptied: Client, installed: Insertion, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    contents = on_disk(folder, [frame(big(), "default", RECEIVED)])
    installed.insert_segment(emptied, Signal.TRACES, contents.frames, name)
    assert counted(emptied) == 60


def test_a_folder_that_is_named_from_here_is_found(
    emptied: Client, installed: Insertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = on_disk(Path("."), [frame(big(), "default", RECEIVED)])
    installed.insert_segment(emptied, Signal.TRACES, contents.frames, "relative")
    assert counted(emptied) == 60


def test_a_file_that_nobody_can_decode_is_refused_for_good(
    emptied: Client, installed: Insertion, tmp_path: Path
) -> None:
    for broken in (cut_inside(), wrong_wire_type()):
        contents = on_disk(tmp_path, [frame(body(2), "default", RECEIVED), frame(broken, "default", RECEIVED)])
        with pytest.raises(PermanentError, match="does not take a segment"):
            installed.insert_natively(emptied, Signal.TRACES, contents.frames, "broken")
    assert counted(emptied) == 0


def test_a_file_that_the_store_cannot_open_is_tried_again(
    emptied: Client, installed: Insertion, tmp_path: Path
) -> None:
    contents = on_disk(tmp_path, [frame(big(), "default", RECEIVED)])
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(RetryableError, match="does not take a segment"):
        installed.insert_natively(emptied, Signal.TRACES, contents.frames, "gone")


def test_a_frame_and_a_stretch_of_a_file_are_sent(emptied: Client, installed: Insertion, tmp_path: Path) -> None:
    contents = on_disk(tmp_path, [frame(body(2, first=first), "default", RECEIVED) for first in (1, 3, 5)])
    installed.insert_natively(emptied, Signal.TRACES, contents.frames[1:], "stretch")
    assert counted(emptied) == 4
