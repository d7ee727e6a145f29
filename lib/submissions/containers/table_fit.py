"""Whether a CSV file's rows are those that a layout expects: the first thing that is not, as an error.

must_fit(scan(path, keys), competition, layout)      # DataError

`lib.submissions.checking.check_rows` says all that is wrong; here one reason is enough not to decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from lib.competitions import Competition
from lib.errors import DataError
from lib.submissions.containers.decoding import Decoder
from lib.submissions.containers.table_index import Index, absent
from lib.submissions.keys import Keys
from lib.submissions.layout import Layout
from lib.submissions.payloads.grid import PIXELS

SEE = "see all of it: python submit.py check FILE"


def must_fit(index: Index, competition: Competition, layout: Layout) -> None:
    """Raise `DataError` unless a file's rows are the layout's."""
    form, codes, wanted = competition.submission.csv, index.codes, layout.rows.codes
    if len(index.columns) != len(form.row):
        raise DataError(f"{index.path}: {len(index.columns)} columns, not {len(form.row)}", SEE)
    if index.ragged:
        raise DataError(f"{index.path}: line {index.ragged[0]} has {index.ragged[1]} fields, not {len(form.row)}", SEE)
    if is_row(index.columns, competition):
        raise DataError(f"{index.path}: the first line is a row, and a header belongs there", SEE)
    strange = absent(codes, wanted)
    if len(strange):
        with index.open() as rows:
            cells = rows.at(strange[0])
        name = ",".join(cells[place] for place in Keys(competition).places)
        raise DataError(f"{index.path}: the id {name!r} is not asked for", SEE)
    if not (form.repeats or form.unit == "instance") and len(np.unique(codes)) != len(codes):
        order = np.argsort(codes, kind="stable")
        twin = codes[order[1:][np.diff(codes[order]) == 0].min()]
        raise DataError(f"{index.path}: the id {_named(layout, twin)!r} stands twice", SEE)
    if form.empty is not False:
        missing = absent(wanted, codes)
        if len(missing):
            row = layout.rows[missing[0]]
            raise DataError(f"{index.path}: {len(missing)} rows are missing, {row.id} of {row.image} first", SEE)


def is_row(cells: Sequence[str], competition: Competition) -> bool:
    """Whether the cells where the columns' names belong are a row with a mask."""
    decoder = Decoder(competition, "")
    if len(cells) != len(competition.submission.csv.row) or decoder.keys.parse(cells) is None:
        return False
    text = cells[decoder.mask_at].strip()
    if competition.submission.csv.unit == "patch":
        return text in ("0", "1")
    with suppress(DataError):
        return bool(text) and bool(decoder.parts(cells, None, PIXELS))
    return False


def _named(layout: Layout, code: int) -> str:
    return layout.rows[int(np.flatnonzero(layout.rows.codes == code)[0])].id
