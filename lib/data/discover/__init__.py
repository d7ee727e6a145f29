"""Looks at a folder of images and masks and guesses the competition: patterns, coding, classes, bands, lists, file.

    found = discover(Path("field"))
    found.table                    # what goes into the TOML file
    found.why["masks.coding"]      # what a guess rests on
    found.questions                # what no file says
    text = draft(found, "field")   # the TOML file, with comments

Names of files decide on pairs, at most 200 masks and images, spread evenly, on the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.data.discover import images, legends, lists, sample_file
from lib.data.discover.census import SAMPLED, counted, sampled
from lib.data.discover.coding import decided
from lib.data.discover.divided import Parts, divided, group_of, split_up
from lib.data.discover.draft import draft
from lib.data.discover.found import (
    FILES,
    MEASURES,
    POOLS,
    Found,
    Question,
    answered,
    class_tables,
    recipes,
    submission_of,
)
from lib.data.discover.listing import listed
from lib.data.discover.matching import matched
from lib.data.discover.patterns import Layout
from lib.rasters import header_size

__all__ = ["Found", "Question", "answered", "discover", "draft"]


def discover(folder: Path) -> Found:
    """What a folder holds, as a competition's table.

    Raises `UsageError` for a folder without pictures, `DataError` where no image has a mask or masks hold no classes.
    """
    files = listed(Path(folder))
    parts = divided(*matched(files.pictures, files.root))
    data, why, layout, test = _data(parts)
    pairs = sampled(sorted(layout.partners.items()))
    census = counted(files.root / mask for mask in sampled(sorted(set(layout.partners.values()))))
    coding = decided(census, legends.found(files))
    survey = images.surveyed(pairs, files.root)
    classes, ignore, reasons, questions = class_tables(coding)
    why |= reasons | survey.why | {"masks.coding": coding.why}
    table: dict[str, Any] = {"title": "", "data": data}
    if survey.images:
        table["images"] = survey.images
    table |= {"masks": coding.masks | survey.masks, "classes": classes}
    if ignore:
        table["ignore"] = ignore
    notes = [*parts.notes, *survey.notes, *coding.notes]
    by_id = {_id(data["train"], texts): path for path, texts in layout.found.items()}
    divisions = lists.official(files, set(by_id), lambda name: header_size(files.root / by_id[name]))
    if divisions:
        data["lists"], why["data.lists"] = divisions
    numbers = {each.get("value", place): each["name"] for place, each in enumerate(classes)}
    asked_for = {_id(data["test"], texts) for texts in test.found.values()} if test else set(by_id)
    guess = sample_file.guessed(files, asked_for, numbers)
    if guess:
        table["submission"], why["submission.csv"] = {"csv": guess.csv}, guess.why
        notes += guess.notes
        if coding.masks["coding"] == "colour" and "{class}" in guess.csv["id"]:
            notes.append("numbers in ids follow the classes' order below: compare it with the competition's page")
        questions.append(
            Question("submission.csv.order", "Pixels are numbered by column (F) or by row (C)", "F", ("F", "C"))
        )
    else:
        table["submission"] = submission_of("folder", table, {})
        questions.append(
            Question("submission", "What is submitted: a folder or a zip of pictures, or csv", "folder", FILES)
        )
    table["metric"] = {"measure": "iou", "pool": "set"}
    table["recipe"], table["laptop"], more = recipes(survey)
    why |= more
    questions += [
        Question("metric.measure", "What is scored", "iou", MEASURES),
        Question(
            "metric.pool", "Each class over the whole set, pairs of image and class, images, or one count", "set", POOLS
        ),
        Question("kaggle.datasets", "The data set on Kaggle, as owner/slug; empty for none"),
        Question("kaggle.competition", "The competition's word in Kaggle's address; empty for none"),
    ]
    summary = (
        f"{len(files.pictures)} picture(s), {len(layout.found)} of them images with masks"
        + (f", {len(test.found)} test image(s)" if test else ""),
        f"images: {survey.summary}",
        f"masks: {coding.why}",
        f"looked at {len(pairs)} pair(s) of {len(layout.found)}"
        + (", spread evenly" if len(layout.found) > SAMPLED else ""),
    )
    return Found(files.root, table, why, tuple(questions), tuple(notes), summary)


def _data(parts: Parts) -> tuple[dict[str, Any], dict[str, str], Layout, Layout | None]:
    """The tables [data.train] and [data.test], what they rest on, and the layouts with the holes that they use."""
    layout, test, why = parts.train, parts.test, {}
    group = group_of(layout)
    if group:
        pattern, reason, split = group
        holes = [hole for hole in split.holes if hole not in layout.holes]
        test = split_up(test, holes) if test and holes else test
        layout, why["data.train.group"] = split, reason
    train = _source(layout, why, "data.train")
    if group:
        train["group"] = pattern
    image, mask = next(iter(sorted(layout.partners.items())))
    why["data.train.images"] = f"{len(layout.found)} pair(s), such as {image} and {mask}"
    data = {"train": train}
    if test:
        data["test"] = _source(test, why, "data.test")
        why["data.test.images"] = f"{len(test.found)} {parts.why_test}"
    return data, why, layout, test


def _source(layout: Layout, why: dict[str, str], key: str) -> dict[str, str]:
    source = {"images": layout.images} | ({"masks": layout.masks} if layout.masks else {})
    folders = [hole for hole in layout.holes if hole != "id"]
    if "id" in layout.holes and folders:
        alone = [texts["id"] for texts in layout.found.values()]
        repeats = len(set(alone)) < len(alone)
        source["id"] = "_".join(f"{{{hole}}}" for hole in layout.holes) if repeats else "{id}"
        said = "the same name stands in several folders, so an id names the folder too"
        why[f"{key}.id"] = said if repeats else "no name stands in two folders"
    return source


def _id(source: dict[str, str], texts: dict[str, str]) -> str:
    from lib.competitions.schema import Source

    return Source.model_validate(source).identity(texts)
