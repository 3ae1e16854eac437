"""A sender that tries until it is answered. Run as `python -m tests.collector.sending HTTP-PORT JOURNAL FIRST`.

Numbers spans upwards from FIRST, sends them in batches from several threads, and writes each acknowledged batch to the
journal: `first end attempts`. Now and then it sends again what was acknowledged, as if it had not heard, and now and
then a batch has a span that the store cannot decode and Python can, or is so large that its segment is inserted while
it grows. Ends once standard input does and the batches underway are acknowledged.
"""

import http.client
import itertools
import os
import random
import sys
import threading
import time

from tests.collector.traffic import spans, with_odd_field

THREADS = 2
PAUSE_S = 0.03
"""Between batches: what waits for a restart would only make work."""
LARGEST_BATCH = 200
DOUBTS = 0.1
ODD = 0.02
LARGE = 0.02
LARGE_BYTES = 2_500_000
RETRY_PAUSE_S = 0.05


def main() -> None:
    """Send until standard input ends."""
    port, journal, first = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    numbers = itertools.count(first, LARGEST_BATCH)
    ended = threading.Event()
    threads = [threading.Thread(target=send, args=(port, log, numbers, ended)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()


def send(port: int, log: int, numbers: "itertools.count[int]", ended: threading.Event) -> None:
    """One thread's batches, one after the other."""
    while not ended.is_set():
        start = next(numbers)
        end = start + random.randint(1, LARGEST_BATCH)
        request = spans(range(start, end))
        if random.random() < LARGE:
            for span in request.resource_spans[0].scope_spans[0].spans:
                span.status.message = "x" * (LARGE_BYTES // (end - start))
        body = request.SerializeToString()
        if random.random() < ODD:
            body = spans(range(start, end - 1)).SerializeToString() + with_odd_field(end - 1)
        attempts = attempts_until_acknowledged(port, body)
        if random.random() < DOUBTS:
            attempts += attempts_until_acknowledged(port, body)
        os.write(log, b"%d %d %d\n" % (start, end, attempts))
        time.sleep(PAUSE_S)  # the load, not a wait for anything


def attempts_until_acknowledged(port: int, body: bytes) -> int:
    """Send until the collector has it, with the pause that a sender makes between tries; how many it took."""
    attempts = 1
    while not acknowledged(port, body):
        attempts += 1
        time.sleep(RETRY_PAUSE_S)  # as an exporter does
    return attempts


def acknowledged(port: int, body: bytes) -> bool:
    """Whether the collector says that it has the batch."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
