"""What the README says is so: its example loads, its paths exist, its flags are known, its set-up commands are CI's."""

import re

import pytest

from lib.competitions import load, presets
from lib.launching.preparing.plan import Request, make_plan
from tests.programs import PROJECT

README = (PROJECT / "README.md").read_text()
COMPETITIONS = (PROJECT / "docs" / "competitions.md").read_text()
PAGES = "\n".join([README, *(page.read_text() for page in sorted((PROJECT / "docs").glob("*.md")))])


def test_the_example_competition_loads(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", COMPETITIONS, re.DOTALL)
    path = tmp_path / "field.toml"
    path.write_text(example)
    field = load(path)
    assert (field.name, field.names, field.sent, field.metric.pool) == ("field", ("soil", "crop"), (1,), "pairs")
    assert make_plan(Request(competition=str(path), gpu="t4x2"), {}).recipe.data.crop == 384


def test_every_preset_stands_in_the_table_with_its_rule():
    rows = {row[0]: row[2] for row in re.findall(r"^\| `([\w-]+)` \| (.*) \| (.*) \|$", COMPETITIONS, re.MULTILINE)}
    assert rows == {name: load(name).metric.label for name in presets()}
    assert f"{len(rows)} presets" in README


def test_every_link_leads_to_a_page():
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())]
    assert len(links) >= 3
    assert [link for page, link in links if not (page.parent / link).exists()] == []


def test_every_path_of_the_map_exists():
    (tree,) = re.findall(r"```\n(launch\.py  submit\.py.*?)```", README, re.DOTALL)
    paths = [
        word
        for line in tree.splitlines()
        for word in re.split(r"\s{2,}", line)[:2]
        if re.fullmatch(r"[\w./-]+[./][\w./-]*", word)
    ]
    paths += re.findall(r"`((?:lib|tests|kernels|benchmarks)/[\w./]+)`", PAGES)
    assert len(paths) > 20
    assert [path for path in paths if not (PROJECT / path).exists()] == []
    rooms = {path.name for path in (PROJECT / "lib").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {path.split("/")[1] for path in paths if re.fullmatch(r"lib/\w+/", path)} == rooms


@pytest.mark.parametrize("face", ["launch.py", "submit.py"])
def test_every_flag_of_the_readme_is_known(program, face):
    words = [line for line in re.findall(rf"python {face}((?:(?! {{2,}})[^`\n;])*)", PAGES) if line]
    commands = {""} | {match[0] for line in words if (match := re.match(r" ?(\w+)", line.removeprefix(" ")))}
    known = "".join(program(face, *([command] if command.isalpha() else []), "--help").stdout for command in commands)
    flags = {flag for line in words for flag in re.findall(r"(?<!\S)(--?[a-z][\w-]*)", line)}
    assert flags
    assert [flag for flag in flags if flag not in known] == []


def test_ci_runs_the_readmes_own_commands():
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    assert len(lines) == 2
    assert lines[0].endswith(".venv/bin/python launch.py")
    assert lines[1].endswith(".venv/bin/python -m pytest")
    assert "-m pytest" in (PROJECT / ".ci" / "run").read_text()


def test_a_project_speaks_of_itself_alone():
    """No path of anyone's machine, no stub, no promise."""
    for path in [*PROJECT.glob("*.*"), *PROJECT.glob("[lkbt]*/**/*.py"), *PROJECT.glob("lib/**/*.toml")]:
        if path.is_file() and path.suffix in (".py", ".md", ".toml", ".txt") and path.name != "test_readme.py":
            found = re.search(r"/(work|root|home/\w+)/|\bTODO\b|\bFIXME\b|NotImplementedError", path.read_text())
            assert found is None, f"{path}: {found}"
