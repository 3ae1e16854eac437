"""What a process that speaks to the store takes along."""

import dataclasses
import json
import subprocess
import sys

from thinkmeter.schema.store.client import StoreAddress

INSERTS = """
import json, sys
from thinkmeter.schema.store.client import StoreAddress, connect
with connect(StoreAddress(**json.loads(sys.argv[1]))) as client:
    client.command("CREATE TABLE inserted (name String, at DateTime64(6)) ENGINE = Memory")
    client.insert("inserted", [["one", 0], ["two", 1]])
    rows = client.query("SELECT name, at FROM inserted ORDER BY name").result_rows
print(len(rows), sorted({"pandas", "pyarrow"} & sys.modules.keys()))
"""


def test_inserts_and_questions_load_neither_pandas_nor_pyarrow(database: StoreAddress) -> None:
    address = json.dumps(dataclasses.asdict(database))
    done = subprocess.run([sys.executable, "-c", INSERTS, address], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"
