"""Writes a folder of demo documents: `python -m jobs.demo.documents --count 1000 --out DIR`.

Boundary: `DIR/documents/` is what a job reads (one jsonl file; many txt, md, html and pdf files);
`DIR/gold.jsonl` beside it is what a job never sees.
Invariant: the same arguments give the same bytes; names are from the held-out set, which no demo
model was trained on.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.demo.bad import Fault, bad_files
from jobs.demo.document import EVEN_WEIGHTS, Document, draw_document
from jobs.demo.gold import Gold, GoldFault, Place
from jobs.demo.render import Format

ROWS_NAME = "rows.jsonl"
FILES_PER_FOLDER = 1000


@dataclass(frozen=True)
class Order:
    """What to write; `weights` are the shares of form, layout and prose."""

    count: int
    seed: int
    rows_share: float = 0.5
    weights: tuple[float, float, float] = EVEN_WEIGHTS
    has_bad_documents: bool = False


def write_folder(order: Order, out: Path) -> None:
    """Writes `out/documents` and `out/gold.jsonl`; refuses a folder that already holds documents.

    Raises FileExistsError when `out/documents` exists.
    """
    documents = out / "documents"
    documents.mkdir(parents=True)
    chooser = random.Random(f"{order.seed}:rows")
    rows: list[str] = []
    golds: list[Gold | GoldFault] = []
    for index in range(order.count):
        is_row = chooser.random() < order.rows_share
        document = draw_document(
            order.seed,
            index,
            is_held_out=True,
            weights=order.weights,
            format_=Format.TXT if is_row else None,
        )
        if is_row:
            place = Place(ROWS_NAME, len(rows), f"row-{index:07d}")
            rows.append(_row(document, place))
        else:
            place = Place(f"files/{index // FILES_PER_FOLDER:04d}/{index:07d}.{document.format}")
            _write(documents / place.source, document.content)
        golds.append(Gold(place, document.answer, document.difficulty))
    if order.has_bad_documents:
        golds += _write_bad(documents, rows)
    if rows:
        _write(documents / ROWS_NAME, "".join(f"{row}\n" for row in rows).encode())
    _write(out / "gold.jsonl", "".join(f"{gold.to_json()}\n" for gold in golds).encode())


def _row(document: Document, place: Place) -> str:
    fields = {
        "id": place.document_id,
        "customer": document.customer,
        "text": document.text(),
    }
    return json.dumps(fields, ensure_ascii=False)


def _write_bad(documents: Path, rows: list[str]) -> list[GoldFault]:
    """Adds the bad files, and to `rows` one row whose id was there before, if there is any row."""
    golds = []
    for bad in bad_files():
        place = Place(f"files/bad/{bad.name}")
        _write(documents / place.source, bad.content)
        golds.append(GoldFault(place, bad.fault))
    if rows:
        document_id = json.loads(rows[0])["id"]
        golds.append(GoldFault(Place(ROWS_NAME, len(rows), document_id), Fault.DUPLICATE_ID))
        rows.append(json.dumps({"id": document_id, "customer": "", "text": "Said twice."}))
    return golds


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _weights(text: str) -> tuple[float, float, float]:
    form, layout, prose = (float(part) for part in text.split(","))
    return form, layout, prose


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True, help="number of good documents")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows-share", type=float, default=0.5, help="share of jsonl rows, 0 to 1")
    parser.add_argument(
        "--weights", type=_weights, default=EVEN_WEIGHTS, help="form,layout,prose, such as 6,3,1"
    )
    parser.add_argument("--bad", action="store_true", help="add one bad document of each sort")
    options = parser.parse_args(arguments)
    order = Order(options.count, options.seed, options.rows_share, options.weights, options.bad)
    write_folder(order, options.out)


if __name__ == "__main__":
    main()
