"""The doctor on healthy data of every competition: no error, and what each one's own description makes of its masks."""

from pathlib import Path

import pytest

from lib.data.doctor import examine
from tests.twins import MAKERS, twin


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_healthy_data_has_no_error(name, tmp_path):
    made = twin(name, tmp_path)
    diagnosis = examine(made.competition, made.root)
    assert not diagnosis.failed, [finding.what for finding in diagnosis.findings]
    assert not [finding for finding in diagnosis.findings if finding.check == "duplicates"], "two dates are no twins"
    classes = {row["name"]: row for row in diagnosis.facts["classes"]}
    if name == "sample":
        return  # it has masks of test images, too
    counted = dict.fromkeys(range(len(made.competition.classes)), 0)
    for labels in made.labels.values():
        for label in counted:
            counted[label] += int((labels == label).sum())
    known = sum(counted.values())
    for label, class_name in enumerate(made.competition.names):
        assert classes[class_name]["share"] == pytest.approx(counted[label] / known, abs=1e-4), class_name


def test_ways_of_resampling_are_compared_where_they_matter(launch, tmp_path):
    made = twin("catalonia", tmp_path / "data")
    document = launch.json("doctor", "-c", "catalonia", "--data", made.root)
    head, columns, *rows = document["grids"]
    assert "masks.resample = majority" in head
    assert columns.split() == ["fine", "labels", "nearest", "majority", "weighted"]
    assert {row.split()[0] for row in rows} >= set(made.competition.names)
    page = Path(document["page"]).read_text()
    assert rows[0] in page
    twin("dfc2019", tmp_path / "other")
    assert launch.json("doctor", "-c", "dfc2019", "--data", tmp_path / "other")["grids"] == []
