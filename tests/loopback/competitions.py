"""The competitions service: files and kernel versions go in, scores come out.

    server.competitions["sea-ice"] = Competition(scorer=dice_of_csv, data=tiles, daily_limit=2)

`scorer` reads the submitted file and returns its score; what it raises is the submission's error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .exchange import Refused, without_defaults

RULES = "You must accept this competition's rules before you'll be able to {}."
NOTEBOOKS_ONLY = "Submission not allowed: This competition only accepts Submissions from Notebooks."
PAGE_SIZE = 20
LEADERS = 2
TEAM = "The tester's team"

Json = dict[str, Any]


@dataclass
class Competition:
    """`data` is mounted into kernels; `code_only` takes kernel versions instead of files.

    `takes_late` scores submissions after the deadline; `total_limit` is the most that a team has in all; `others` are
    the scores of the other teams; `hides_scores` until the end; a `disabled` one takes nothing. `hidden` is mounted in
    `data`'s place while a submitted version is run again and scored.
    """

    scorer: Callable[[Path], float]
    data: Path | None = None
    code_only: bool = False
    daily_limit: int = 5
    deadline: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    user_has_entered: bool = True
    metric: str = "Dice"
    hidden: Path | None = None
    takes_late: bool = False
    total_limit: int | None = None
    others: tuple[float, ...] = ()
    tells_rank: bool = True
    hides_scores: bool = False
    disabled: bool = False
    no_team_yet: bool = False  # then the limits are all zero before the first submission


@dataclass
class Submission:
    """`score` is None when the scorer refused the file, `error` says why; `polls` counts who asked for it."""

    ref: int
    competition: str
    file: Path
    description: str
    date: datetime
    score: float | None = None
    error: str = ""
    polls: int = 0
    rerun: Any = None
    """The session in which a code competition runs the version again."""


class CompetitionsService:
    """`competitions.CompetitionApiService`; methods take a request's JSON object and return the answer's."""

    def __init__(self, server: Any):
        self.server = server

    def methods(self) -> dict[str, Any]:
        return {
            "GetCompetition": self.get,
            "StartSubmissionUpload": self.start_upload,
            "CreateSubmission": self.submit_file,
            "CreateCodeSubmission": self.submit_kernel,
            "GetSubmission": self.submission,
            "ListSubmissions": self.submissions,
            "GetSubmissionLimits": self.limits,
            "GetLeaderboard": self.leaderboard,
        }

    def get(self, request: Json) -> Json:
        slug, competition = self._find(request)
        fields = {
            "ref": f"https://www.kaggle.com/competitions/{slug}",
            "title": slug.replace("-", " ").capitalize(),
            "url": f"https://www.kaggle.com/competitions/{slug}",
            "deadline": competition.deadline.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "userHasEntered": competition.user_has_entered,
            "maxDailySubmissions": competition.daily_limit,
            "evaluationMetric": competition.metric,
            "isKernelsSubmissionsOnly": competition.code_only,
            "submissionsDisabled": competition.disabled,
            "teamCount": len(competition.others) + 1,
            "userRank": self._rank(slug, competition) if competition.tells_rank else 0,
        }
        return without_defaults(fields)

    def start_upload(self, request: Json) -> Json:
        self._entered(request, "upload a submission")
        token, url = self.server.urls.for_upload(request["fileName"], request.get("contentLength", 0))
        return {"token": token, "createUrl": url}

    def submit_file(self, request: Json) -> Json:
        """Score an uploaded file. Asked twice, it submits twice."""
        slug, competition = self._entered(request, "make a submission")
        if competition.code_only:
            raise Refused(400, NOTEBOOKS_ONLY)
        file = self.server.urls.uploaded(request.get("blobFileTokens", ""))
        if file is None:
            raise Refused(400, "The uploaded file was not found.")
        return self._submit(slug, competition, file, request.get("submissionDescription", ""))

    def submit_kernel(self, request: Json) -> Json:
        """Score an output file of a version that ended well and had no internet."""
        slug, competition = self._entered(request, "make a submission")
        label = f"v{request['kernelVersion']}" if request.get("kernelVersion") else None
        owner, kernel = request.get("kernelOwner", ""), request.get("kernelSlug", "")
        _, version = self.server.kernel_service.version(owner, kernel, label)
        if version.status != "COMPLETE":
            raise Refused(400, "Submission not allowed: The notebook version has not completed successfully.")
        if version.metadata.get("enableInternet", True):
            raise Refused(400, "Submission not allowed: Your notebook must have internet access disabled.")
        name = request.get("fileName", "")
        file = version.folder / "working" / Path(name).name
        if name != file.name or not file.is_file():
            raise Refused(400, f"Submission not allowed: The notebook has no output file {name!r}.")
        rerun = self.server.kernel_service.rerun(version, slug, competition.hidden) if competition.hidden else None
        return self._submit(slug, competition, file, request.get("submissionDescription", ""), rerun)

    def submission(self, request: Json) -> Json:
        """PENDING, which is the default and left out, until it was asked for `scoring_polls` times.

        `submission_lag` more questions before that are answered with 404.
        """
        for submission in self.server.submissions:
            if submission.ref == request.get("ref"):
                submission.polls += 1
                if submission.polls <= self.server.submission_lag:
                    break
                return self._shown(submission)
        raise Refused(404, f"Submission {request.get('ref', 0)} was not found.")

    def submissions(self, request: Json) -> Json:
        """A page of them, newest first; each counts as asked for once more."""
        slug, _ = self._entered(request, "see your submissions")
        size = request.get("pageSize") or PAGE_SIZE
        start = (max(1, request.get("page") or 1) - 1) * size
        page = self._of(slug)[::-1][start : start + size]
        for submission in page:
            submission.polls += 1
        return without_defaults({"submissions": [self._shown(submission) for submission in page]})

    def limits(self, request: Json) -> Json:
        slug, competition = self._entered(request, "see your submissions")
        total, today = len(self._of(slug)), self._today(slug)
        left = max(0, competition.daily_limit - today)
        by_total = competition.total_limit is not None and competition.total_limit - total < left
        left = max(0, competition.total_limit - total) if by_total else left
        if not total and competition.no_team_yet:
            left = 0
        return without_defaults(
            {"numToday": today, "numTotal": total, "numAllowedNow": left, "limitedByTotal": by_total}
        )

    def leaderboard(self, request: Json) -> Json:
        """A page of teams, best first; `LEADERS` a page, whatever was asked for."""
        slug, competition = self._find(request)
        teams = [(other, f"Team {place}") for place, other in enumerate(competition.others)]
        own = [submission.score for submission in self._of(slug) if submission.score is not None]
        teams = sorted([*teams, *([(max(own), TEAM)] if own else [])], key=lambda team: -team[0])
        start = int(request.get("pageToken") or 0)
        page = [{"teamName": name, "score": str(score)} for score, name in teams[start : start + LEADERS]]
        token = str(start + LEADERS) if start + LEADERS < len(teams) else ""
        return without_defaults({"submissions": page, "nextPageToken": token})

    def _submit(self, slug: str, competition: Competition, file: Path, description: str, rerun: Any = None) -> Json:
        if competition.disabled:
            raise Refused(400, "Submission not allowed: This competition takes no submissions now.")
        if datetime.now(UTC) > competition.deadline and not competition.takes_late:
            raise Refused(400, "Submission not allowed: The competition's deadline has passed.")
        if competition.total_limit is not None and len(self._of(slug)) >= competition.total_limit:
            raise Refused(400, "Submission not allowed: Your team has used all its Submissions.")
        if self._today(slug) >= competition.daily_limit:
            allowance = f"Your team has used its daily Submission allowance ({competition.daily_limit}) today"
            raise Refused(400, f"Submission not allowed: {allowance}, please try again tomorrow UTC.")
        ref = 50_000_001 + len(self.server.submissions)
        submission = Submission(ref, slug, file, description, datetime.now(UTC), rerun=rerun)
        if rerun is None:
            _score(submission, competition)
        self.server.submissions.append(submission)
        return {"ref": ref, "message": f"Successfully submitted to {slug.replace('-', ' ').capitalize()}"}

    def _shown(self, submission: Submission) -> Json:
        if submission.rerun is not None and not submission.rerun.active:
            submission.file = submission.rerun.folder / "working" / submission.file.name
            if submission.rerun.status == "COMPLETE":
                _score(submission, self.server.competitions[submission.competition])
            else:
                submission.error = "Notebook Threw Exception"
            submission.rerun = None
        fields = {
            "ref": submission.ref,
            "date": submission.date.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "description": submission.description,
            "fileName": submission.file.name,
            "totalBytes": submission.file.stat().st_size if submission.file.exists() else 0,
            "submittedBy": self.server.owner,
            "teamName": TEAM,
            "url": f"https://www.kaggle.com/submissions/{submission.ref}/{submission.ref}.raw",
        }
        waited = submission.polls - self.server.submission_lag > self.server.scoring_polls
        if waited and submission.rerun is None:
            scored = submission.score is not None
            fields["status"] = "COMPLETE" if scored else "ERROR"
            hidden = self.server.competitions[submission.competition].hides_scores
            fields["publicScore"] = str(round(submission.score, 5)) if scored and not hidden else ""
            fields["errorDescription"] = submission.error
        return without_defaults(fields)

    def _of(self, slug: str) -> list[Submission]:
        return [submission for submission in self.server.submissions if submission.competition == slug]

    def _rank(self, slug: str, competition: Competition) -> int:
        """The team's place by its best score; 0 before it has one."""
        scores = [submission.score for submission in self._of(slug) if submission.score is not None]
        return 1 + sum(other > max(scores) for other in competition.others) if scores else 0

    def _today(self, slug: str) -> int:
        today = datetime.now(UTC).date()
        return sum(submission.date.date() == today and not submission.error for submission in self._of(slug))

    def _find(self, request: Json) -> tuple[str, Competition]:
        slug = request.get("competitionName", "")
        if slug not in self.server.competitions:
            raise Refused(404, f"Competition {slug} was not found.")
        return slug, self.server.competitions[slug]

    def _entered(self, request: Json, purpose: str) -> tuple[str, Competition]:
        slug, competition = self._find(request)
        if not competition.user_has_entered:
            raise Refused(403, RULES.format(purpose))
        return slug, competition


def _score(submission: Submission, competition: Competition) -> None:
    try:
        submission.score = float(competition.scorer(submission.file))
    except Exception as error:
        submission.error = str(error) or type(error).__name__
