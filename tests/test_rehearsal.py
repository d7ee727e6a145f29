"""Before a push the recipe's model is built here, and not again while nothing that decides it has changed."""

import pytest

from lib.errors import UsageError
from lib.launching.preparing import rehearsal
from lib.launching.preparing.plan import Request, make_plan


def plan_with(**model: str):
    settings = tuple(f"model.{key}={value}" for key, value in {"weights": "none", **model}.items())
    return make_plan(Request(competition="sample", gpu="t4x2", settings=settings), {})


def test_a_model_is_built_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_CACHE", str(tmp_path))
    built = []
    run = rehearsal.subprocess.run
    monkeypatch.setattr(rehearsal.subprocess, "run", lambda *words, **more: built.append(words) or run(*words, **more))
    small, other = plan_with(), plan_with(encoder="mobilenetv3_small_050")
    rehearsal.rehearse_model(small)
    rehearsal.rehearse_model(small)
    assert len(built) == 1
    rehearsal.rehearse_model(other)
    assert len(built) == 2


def test_a_model_that_cannot_be_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_CACHE", str(tmp_path))
    for _ in range(2):
        with pytest.raises(UsageError, match="resnet18x"):
            rehearsal.rehearse_model(plan_with(encoder="resnet18x"))
    assert not list(tmp_path.rglob("*")), "nothing is written for it"
