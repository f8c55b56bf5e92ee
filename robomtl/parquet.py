"""Tables on disk, as Parquet."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from robomtl.durable import replacing


def write_table(path: Path, table: Any) -> None:
    """Writes an arrow table, durably.

    Arrow gets an open file, as it takes some paths for addresses.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        pq.write_table(table, file)
