"""Submissions to competitions: their scores, limits and refusals."""

from datetime import UTC, datetime

import pytest
import requests

from tests.loopback import Competition
from tests.server.helpers import message, score


def test_a_submission_is_scored(server, submit, ask):
    server.submission_lag = 1
    submitted = submit("0.8123456")
    assert server.submissions[0].file.read_text() == "0.8123456"
    with pytest.raises(requests.HTTPError) as caught:
        ask(submitted.ref)
    assert caught.value.response.status_code == 404
    assert ask(submitted.ref).status.name == "PENDING"
    assert ask(submitted.ref).public_score == "0.81235"
    answer = ask(submitted.ref)
    assert (answer.status.name, answer.description, answer.total_bytes) == ("COMPLETE", "a note", 9)


def test_a_submission_that_cannot_be_scored(server, submit, ask):
    server.scoring_polls = 0
    answer = ask(submit("no number").ref)
    assert answer.status.name == "ERROR"
    assert "no number" in answer.error_description
    assert answer.public_score == ""


def test_an_empty_file_is_uploaded_too(server, submit):
    submit("")
    assert server.submissions[0].file.read_bytes() == b""


def test_uploads_in_chunks_and_of_a_wrong_length(server):
    token, url = server.urls.for_upload("submission.csv", 3)
    assert requests.put(url, data=b"abcd").status_code == 400
    assert server.urls.uploaded(token) is None
    assert requests.put(url, data=iter([b"ab", b"c"])).status_code == 200
    assert server.urls.uploaded(token).read_bytes() == b"abc"
    assert requests.put(url + "0", data=b"abc").status_code == 404


def test_limits_and_the_list_of_submissions(server, api, submit):
    refs = [submit(text).ref for text in ("0.1", "0.2", "nonsense")]
    limits = api.competition_get_submission_limits("sea-ice")
    assert (limits.num_today, limits.num_total, limits.num_allowed_now) == (2, 3, 1)
    api.competition_submissions("sea-ice")
    found = api.competition_submissions("sea-ice")
    assert [one.ref for one in found] == refs[::-1]
    assert [one.public_score for one in found] == ["", "0.2", "0.1"]
    submit("0.3")
    with pytest.raises(requests.HTTPError) as caught:
        submit("0.4")
    assert caught.value.response.status_code == 400
    assert "daily Submission allowance (3)" in message(caught)
    assert len(server.submissions) == 4


def test_competitions_that_refuse(server, submit):
    server.competitions["rules"] = Competition(scorer=score, user_has_entered=False)
    server.competitions["over"] = Competition(scorer=score, deadline=datetime(2020, 1, 1, tzinfo=UTC))
    server.competitions["code"] = Competition(scorer=score, code_only=True)
    refusals = {
        "nowhere": (404, "nowhere"),
        "rules": (403, "You must accept this competition's rules before you'll be able to"),
        "over": (400, "deadline"),
        "code": (400, "only accepts Submissions from Notebooks"),
    }
    for slug, (code, said) in refusals.items():
        with pytest.raises(requests.HTTPError) as caught:
            submit("0.5", slug)
        assert caught.value.response.status_code == code
        assert said in message(caught)
    assert server.submissions == []


def test_get_competition(server, api):
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

    deadline = datetime(2031, 2, 3, 4, tzinfo=UTC)
    settings = {"code_only": True, "daily_limit": 2, "metric": "IoU", "user_has_entered": False}
    server.competitions["sea-ice"] = Competition(score, deadline=deadline, **settings)
    request = ApiGetCompetitionRequest()
    request.competition_name = "sea-ice"
    answer = api.build_kaggle_client().competitions.competition_api_client.get_competition(request)
    assert answer.is_kernels_submissions_only is True
    assert answer.max_daily_submissions == 2
    assert answer.evaluation_metric == "IoU"
    assert answer.user_has_entered is False
    assert answer.deadline == datetime(2031, 2, 3, 4)


def test_a_code_submission(server, api, push, ask):
    server.scoring_polls = 0
    server.competitions["code"] = Competition(scorer=score, code_only=True)

    def submit(version, name="submission.csv"):
        return api.competition_submit_code(name, "note", "code", "tester/sea-ice", version, quiet=True)

    script = "open('submission.csv', 'w').write('0.75')"
    push(script, enable_internet=True)
    push(script + "; raise SystemExit(1)")
    push(script)
    for version in server.kernels["sea-ice"].versions:
        version.wait()
    for version, name, said in (
        (1, "submission.csv", "internet access disabled"),
        (2, "submission.csv", "not completed successfully"),
        (3, "other.csv", "no output file"),
        (3, "../working/submission.csv", "no output file"),
    ):
        with pytest.raises(requests.HTTPError) as caught:
            submit(version, name)
        assert caught.value.response.status_code == 400
        assert said in message(caught)
    assert ask(submit(3).ref).public_score == "0.75"


def test_the_leaderboard_and_a_rank_that_the_competition_tells(server, api, submit):
    server.competitions["sea-ice"].others = (0.9, 0.8, 0.2)
    assert [row.score for row in api.competition_leaderboard_view("sea-ice")] == ["0.9", "0.8"]
    submit("0.5")
    (page,) = [api.competition_leaderboard_view("sea-ice", page_token="2")]
    assert [(row.team_name, row.score) for row in page] == [("The tester's team", "0.5"), ("Team 2", "0.2")]
    (found,) = api.competition_submissions("sea-ice")
    assert found.team_name == "The tester's team"


def test_a_maximum_of_all_and_a_team_that_has_not_begun(server, api, submit):
    server.competitions["sea-ice"].no_team_yet = True
    limits = api.competition_get_submission_limits("sea-ice")
    assert (limits.num_today, limits.num_total, limits.num_allowed_now) == (0, 0, 0)
    server.competitions["sea-ice"].total_limit = 2
    submit("0.1")
    limits = api.competition_get_submission_limits("sea-ice")
    assert (limits.num_allowed_now, limits.limited_by_total) == (1, True)
    submit("0.2")
    with pytest.raises(requests.HTTPError) as caught:
        submit("0.3")
    assert "used all its Submissions" in message(caught)
