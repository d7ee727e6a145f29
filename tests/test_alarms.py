"""Alarms, each once and only for what lasts; and the table that moves."""

import pytest

from lib.launching.following.alarms import Alarms, Patience
from lib.launching.following.live_table import draw
from lib.launching.following.training_progress import parse
from tests.test_log_at_home import Clock, said


@pytest.fixture
def alarms():
    said: list[str] = []
    alarms = Alarms("abc", said.append, Patience(idle=180, wait=120, late=100, silence=600), Clock())
    alarms.said_words = said
    return alarms


def test_silence_is_an_alarm_once_and_only_after_the_session_began(alarms):
    alarms.clock.now = 5000
    alarms.tick()
    assert alarms.said_words == []
    alarms.heard()
    for now in (5599, 5600, 9000):
        alarms.clock.now = now
        alarms.tick()
        assert len(alarms.said_words) == (now >= 5600)
    assert "no output for 10m00s" in alarms.said_words[0]


@pytest.mark.parametrize(
    ("bad", "good", "seconds", "words"),
    [
        ({"gpus": [{"use": 0.9}, {"use": 0.01}]}, {"gpus": [{"use": 0.9}, {"use": 0.5}]}, 180, "GPU 1 has been idle"),
        ({"data_wait": 0.6}, {"data_wait": 0.5}, 120, "wait for data 60% of the time"),
        ({"limit_s": 3.0}, {"limit_s": 3000.0}, 100, "the session ends in 3s"),
    ],
    ids=["idle GPU", "data wait", "late"],
)
def test_what_lasts_is_an_alarm_once(alarms, bad, good, seconds, words):
    bad, good = parse(said(1, **bad).strip()), parse(said(1, **good).strip())
    alarms.progress(bad, 0)
    alarms.progress(good, seconds)
    alarms.progress(bad, seconds + 1)
    alarms.progress(bad, 2 * seconds)
    assert alarms.said_words == [], "it did not last"
    for at in (2 * seconds + 1, 9 * seconds):
        alarms.progress(bad, at)
    (told,) = alarms.said_words
    assert words in told


@pytest.mark.parametrize("loss", ["NaN", "Infinity"])
def test_a_loss_that_is_no_number_is_an_alarm_at_once(alarms, loss):
    line = f'@progress {{"step": 1, "loss": {loss}}}'
    alarms.progress(parse(line), 0)
    alarms.progress(parse(line), 1)
    (told,) = alarms.said_words
    assert "the loss is not a number any more" in told
    assert "launch.py stop abc" in told


def test_the_table_says_whether_training_fits_into_the_session():
    gpu = {"use": 0.97, "memory": 11.2e9, "of": 15e9}
    record = {"epochs": 4, "step": 3, "loss": 0.5, "images_per_s": 41.25, "data_wait": 0.125, "lr": 8e-4, "gpus": [gpu]}
    fits = draw(parse(said(**record, limit_s=60.0).strip()), "macro Dice", 0.5, 0.625).plain
    for words in (
        "epoch 1/4", "step 3/9", "loss 0.500", "macro Dice 0.5000", "best 0.6250", "41.2 images/s",
        "waiting for data 12 %", "lr 0.0008", "GPU 0  97 %  11.2 of 15.0 GB", "elapsed 6s", "ETA 12s",
        "session ends in 1m00s: it fits",
    ):  # fmt: skip
        assert words in fits
    late = draw(parse(said(3, limit_s=11.0).strip()), "macro Dice", None, None).plain
    assert "session ends in 11s: too soon" in late


def test_a_prediction_counts_images():
    progress = parse('@progress {"step": 3, "steps": 12, "images_per_s": 4.5, "seconds": 0.7, "limit_s": 60}')
    shown = draw(progress, "macro Dice", None, None).plain
    assert "image 3/12" in shown
    assert "epoch" not in shown
    assert "session ends in 1m00s: it fits" in shown
