"""A found data set as a TOML file: every guess with a comment that says what it rests on, every gap with its question.

text = draft(found, "field", {"classes.0.name": "soil"})
"""

from __future__ import annotations

from typing import Any

from lib.competitions.writing import commented, to_toml
from lib.data.discover.found import Found, answered


def draft(found: Found, name: str, answers: dict[str, str] | None = None) -> str:
    """The TOML text of a competition called `name`; questions without an answer stand beside their keys."""
    answers = answers or {}
    table: dict[str, Any] = {"name": name, **answered(found.table, answers)}
    if not table["title"]:
        del table["title"]
    order = answers.get("submission.csv.order")
    if order and "csv" in table["submission"]:
        table["submission"]["csv"] = {**table["submission"]["csv"], "order": order}
    comments = dict(found.why)
    open_ones = [question for question in found.questions if not answers.get(question.key)]
    for question in open_ones:
        choices = f" ({', '.join(question.choices)})" if question.choices else ""
        key = question.key if question.key.startswith(("classes", "metric")) else question.key.split(".")[0]
        if key not in ("kaggle", "submission"):
            comments[key] = f"fill in: {question.words}{choices}"
    about = ["Found by looking at the folder; a comment says what each guess rests on.", *found.summary]
    about += [f"look: {note}" for note in found.notes]
    kaggle = [question for question in open_ones if question.key.startswith("kaggle.")]
    if kaggle:
        about += ["fill in where Kaggle keeps it, to train there and to send:"]
        about += ["    [kaggle]", '    datasets = ["owner/slug"]', '    competition = "slug"']
    asked = [question for question in open_ones if question.key.startswith("submission")]
    about += [f"fill in [{q.key.split('.order')[0]}]: {q.words} ({', '.join(q.choices)})" for q in asked]
    return commented(about) + "\n" + to_toml(table, comments)
