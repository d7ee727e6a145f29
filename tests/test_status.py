"""`submit.py status`: every file that was made or sent, how the scores go together, which submission to trust."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from lib import files
from lib.launching import ledger
from lib.launching.ledger_words import made_words
from lib.launching.standing import Row, Standing, correlation, ranks
from tests.loopback import Competition, Submission
from tests.programs import program_in
from tests.ready import SLUG, field, ready_run, with_file

NOW = datetime(2026, 1, 4, tzinfo=UTC)
SCORES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12)


@given(SCORES)
def test_correlations_are_scipys(pairs):
    one, other = zip(*pairs, strict=True)
    assert ranks(one) == rankdata(one).tolist()
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert correlation(one, other) is None
        return
    assert correlation(one, other) == pytest.approx(pearsonr(one, other)[0], abs=1e-9)
    assert correlation(ranks(one), ranks(other)) == pytest.approx(spearmanr(one, other)[0], abs=1e-9)


def rows(*scores: tuple[float | None, float | None], noise: float | None = None) -> list[Row]:
    return [Row(f"{n}.csv", f"run{n}", local, public, noise, 100 + n) for n, (local, public) in enumerate(scores)]


def test_the_best_local_score_is_trusted_where_the_board_agrees():
    standing = Standing.of("a", rows((0.80, 0.78), (0.85, 0.84), (0.82, 0.80), (None, 0.70), (0.9, None)))
    assert (standing.trusted.run, standing.leader.run, len(standing.pairs)) == ("run1", "run1", 3)
    assert standing.spearman == 1.0
    assert len(standing.advice) == 1
    assert "trust submission 101 of run1" in standing.advice[0]


def test_a_local_score_that_the_board_contradicts_is_not_trusted():
    standing = Standing.of("a", rows((0.80, 0.78), (0.85, 0.83), (0.82, 0.80), (0.99, 0.60)))
    assert standing.trusted.run == "run1"
    assert "look for a leak" in " ".join(standing.advice)
    assert "hardly go together" in " ".join(standing.advice)


def test_a_leader_that_is_worse_here_is_a_risk():
    shaken = rows((0.80, 0.84), (0.85, 0.83), (0.845, 0.82), noise=0.01)
    said = " ".join(Standing.of("a", shaken).advice)
    assert (
        "submission 100 of run0 leads the public board (0.84), but is worse here (0.80000): risk of a shake-up" in said
    )
    assert "take both" in said
    assert "1 more lie within the noise of the local score (±0.01000)" in said


def test_two_scores_are_no_correlation_and_none_no_advice():
    assert Standing.of("a", rows((0.8, 0.8), (0.9, 0.9))).pearson is None
    assert Standing.of("a", rows((None, 0.8))).trusted is None
    assert "nothing to compare" in Standing.of("a", []).advice[0]


@pytest.mark.parametrize(
    ("made_of", "said"),
    [
        (None, "-"),
        ({"run": "r", "tta": "d4"}, "d4"),
        ({"runs": ["r", "s"], "tta": "flips", "scales": [0.75, 1, 1.25], "thresholds": {"a": 0.4}}, None),
        ({"run": "r", "tta": "none", "scales": [1.0], "members": [{"weight": 1}]}, "no tta"),
        ({"run": "a-b-3c65", "members": [{}, {}], "decision": {"bias": {}}}, "run 3c65, 2 members, decision"),
        ({"checkpoints": {"a": 1.0}, "folds": [0, 1, 2], "blend": "hann"}, "1 checkpoint, 3 folds, blend hann"),
    ],
)
def test_what_made_a_file_in_a_few_words(made_of, said):
    assert made_words("r", made_of) == (said or "2 runs, flips, scales 0.75 1 1.25, thresholds")


def test_what_a_kernel_predicted_has_its_runs_scores_on_validation(tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    trained = [
        ready_run(tmp_path / "runs", tmp_path, f"2026010{n}-000000-field-000{n}", metrics={"value": 0.8 + n / 100})
        for n in (1, 2)
    ]
    entry = {"made": "2026-01-03", "made_of": {"runs": [run.id for run in trained]}}
    assert ledger.local_score(trained[0], entry) == pytest.approx(0.815)
    assert ledger.local_score(trained[0], {"sha256": "a stranger's"}) is None
    one = entry | {"made_of": {"runs": [trained[0].id]}}
    trained[0].update(metrics={"value": 0.81, "interval": [0.8, 0.83]})
    assert (ledger.local_score(trained[1], one), ledger.noise(trained[1], one)) == (0.81, pytest.approx(0.015))


def test_the_document_of_the_predictions_says_what_made_them(tmp_path):
    run = ready_run(tmp_path / "runs", field(tmp_path / "data"))
    made_by = {"competition": "field", "tta": "flips", "scales": [1.0], "window": 64, "members": [{"weight": 1.0}]}
    with_file(run, made_of={"run": run.id, "made_by": made_by, "which": "test"})
    (entry,) = run.read()["submissions"]
    assert entry["made_of"] == {"run": run.id, "tta": "flips", "scales": [1.0], "members": [{"weight": 1.0}]}
    assert made_words(run.id, entry["made_of"]) == "flips"


@pytest.fixture
def three(tmp_path, monkeypatch, server):
    """Three runs; the first two files were scored, the third waits; an old entry knows neither origin nor rank."""
    monkeypatch.setenv("SWATH_RUNS", str(tmp_path / "runs"))
    data = field(tmp_path / "data")
    server.competitions[SLUG] = Competition(lambda path: 0.6, others=(0.7,))
    server.scoring_polls = 0
    for number, (flip, public) in enumerate([(0.1, 0.85), (0.3, 0.75), (0.2, None)]):
        run = ready_run(tmp_path / "runs", data, name=f"2026010{number + 1}-000000-field-000{number}")
        made = with_file(run, flip, seed=number)
        entry = ledger.begin(run, run.folder / "submission.csv", made["sha256"], SLUG)
        ledger.note(run, entry, ledger.Submitted(50_000_001, "COMPLETE" if public else "PENDING", public))
    old = files.read_json(tmp_path / "runs" / "20260101-000000-field-0000" / "run.json")
    for key in ("made_of", "made"):
        old["submissions"][0].pop(key)
    files.write_json(tmp_path / "runs" / "20260101-000000-field-0000" / "run.json", old)
    return program_in(tmp_path, tmp_path / "cache")


def test_what_is_known_is_shown_without_an_account(three):
    done = three("submit.py", "status")
    assert "1 submission(s) wait for a score, and there is no Kaggle account" in done.stderr
    assert f"{SLUG}: 2 with both scores, too few for a correlation" in done.stdout
    table = done.stdout.splitlines()
    assert [line.split()[1] for line in table[1:4]] == [f"2026010{n}-000000-field-000{n - 1}" for n in (3, 2, 1)]
    assert "waiting" in table[1]
    assert "scored" in table[2]
    assert "  d4 " in table[2]
    assert " d4 " not in table[3]


def test_a_score_that_has_come_is_fetched(three, server, tmp_path):
    (tmp_path / "any.csv").write_text("")
    server.submissions.append(submission := Submission(50_000_001, SLUG, tmp_path / "any.csv", "", NOW, score=0.8))
    document = three.json("submit.py", "status", **server.client_env(tmp_path / "home"))
    newest = document["files"][0]
    assert (newest["public_score"], newest["rank"], newest["status"]) == (submission.score, 1, "COMPLETE")
    (about,) = document["competitions"]
    assert about["pairs"] == 3
    assert about["spearman"] == 1.0
    assert about["pearson"] == pytest.approx(1.0, abs=0.05)
    assert about["trusted"]["run"] == "20260101-000000-field-0000"
    assert three.json("submit.py", "status", "-c", "sample")["files"] == []
