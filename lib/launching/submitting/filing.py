"""The commands of `submit.py` about a file: made from masks, brought back to masks, checked, scored."""

from __future__ import annotations

from typer import Exit, Typer

from lib.errors import Failed
from lib.launching import options
from lib.launching.runs import competition_named
from lib.launching.terminal import next_step, say, talk

app = Typer()


@app.command()
def encode(
    masks: options.MasksIn,
    out: options.OutFile,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    size: options.Size = None,
    as_json: options.Json = False,
) -> None:
    """Make the competition's file from a folder of masks."""
    from lib.files import typed
    from lib.rasters import masks_in
    from lib.submissions import write
    from lib.submissions.job import layout_for

    described, word, _ = competition_named(competition)
    brought = masks_in(masks, described)
    layout = layout_for(described, data, sample, masks=brought, size=size)
    write(brought, described, layout, out, brought.place)
    notes = [*layout.notes, *brought.notes]
    for note in notes:
        talk(f"note: {note}")
    document = {"file": str(out), "rows": len(layout.rows), "images": list(layout.images), "notes": notes}
    say(document, as_json, [f"{out}: {len(layout.rows)} rows for {len(layout.images)} images"])
    next_step(f"python submit.py check {typed(out)} -c {word} --masks {typed(masks)}")


@app.command()
def decode(
    file: options.File,
    out: options.OutFolder,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    size: options.Size = None,
    as_json: options.Json = False,
) -> None:
    """Bring a file's masks back: index pictures; a folder for each class where they overlap; instance numbers."""
    from itertools import chain, islice

    from lib.files import typed
    from lib.rasters import mask_folder
    from lib.submissions import read
    from lib.submissions.containers.container import place_in
    from lib.submissions.job import layout_for

    described, word, run = competition_named(competition)
    layout = layout_for(described, data, sample, run, file=file, size=size)
    masks, about = read(file, described, layout), {"file": str(file)}
    masks = chain([*islice(masks, 1)], masks)  # a file that does not fit says so before its ids become names
    with place_in(file, described, layout) as place:
        mask_folder.write(out, described, layout.images, masks, about, layout.sizes, place)
    for note in layout.notes:
        talk(f"note: {note}")
    say({"folder": str(out), "images": list(layout.images)}, as_json, [f"{out}: {len(layout.images)} masks"])
    next_step(f"python submit.py encode {typed(out)} -c {word} --out FILE")


@app.command()
def check(
    file: options.File,
    competition: options.Name = None,
    data: options.Data = None,
    sample: options.Sample = None,
    masks: options.Masks = None,
    size: options.Size = None,
    as_json: options.Json = False,
) -> None:
    """Say what a competition would refuse in a file, anyone's file, and what it would cost."""
    from lib.rasters import masks_in
    from lib.submissions import inspect, report
    from lib.submissions.checking import findings
    from lib.submissions.job import layout_for
    from lib.submissions.scored import images_under

    described, word, run = competition_named(competition)
    brought = masks_in(masks, described) if masks else None
    layout = layout_for(described, data, sample, run, brought, file, size)
    found = inspect(file, described, layout, brought, images_under(described, data))
    notes = [*layout.notes, *(brought.notes if brought else ())]
    document = {"file": str(file), "notes": notes} | findings.document(found)
    for note in notes:
        talk(f"note: {note}")
    say(document, as_json, report.check_lines(file, layout, found))
    if document["problems"]:
        next_step(f"make it again from its masks: python submit.py encode MASKS -c {word} --out FILE")
        raise Exit(Failed.exit_code)
    next_step(report.after_check(described, word, file))


@app.command()
def score(
    file: options.Scored,
    truth: options.Truth,
    competition: options.Name = None,
    data: options.Shown = None,
    out: options.ScoreOut = None,
    details: options.Details = None,
    as_json: options.Json = False,
) -> None:
    """Score a file, or a folder of masks, by the competition's rule."""
    from lib.submissions import report
    from lib.submissions.scored import score_place, write_score, written_or_why

    described, word, _ = competition_named(competition)
    document, pictures = score_place(file, truth, described, data, details)
    why_not = None
    if out:
        written = write_score(out, document, pictures, described, file)
    else:
        written, why_not = written_or_why(file.resolve().parent, document, pictures, described, file)
    if why_not:
        talk(f"no page was written: {why_not}")
    document["files"] = [str(path) for path in written]
    say(document, as_json, report.score_lines(document))
    next_step(report.after_score(described, word, file))
