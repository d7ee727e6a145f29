"""What goes into a bundle and what must not: `.kernelignore`, credentials, the size of it all."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.competitions.loader import find
from lib.errors import UsageError
from lib.launching.preparing import ignore, leaks
from lib.launching.preparing.bundle import pack
from lib.recipe import Recipe
from tests.loopback.quick_kernel import quick_python
from tests.programs import PROJECT, TINY, WITHOUT_GPU, only

KAGGLE = "KGAT_" + "a1b2c3d4" * 4
HUGGING_FACE = "hf_" + "aB3dE5gH7j" * 4


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the project that a test may change."""
    copy = tmp_path / "project"
    for room in ("lib", "kernels", "kernel-metadata"):
        shutil.copytree(PROJECT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(PROJECT / "launch.py", copy / "launch.py")
    return copy


def push(project, *words):
    return (project / "launch.py", "--gpu", "t4x2", "-c", "sample", *TINY, *WITHOUT_GPU, *words)


def dry_run(program, project, code=0):
    return program.json(*push(project, "--dry-run"), code=code)


# .kernelignore


def test_kernelignore_keeps_files_of_lib_home(program, project):
    for name in ("a.bin", "b.bin", "notes/c.txt", "notes/d.md"):
        path = project / "lib" / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    every = dry_run(program, project)["files"]
    (project / ".kernelignore").write_text("# no data\n*.bin\n!/lib/data/b.bin\nnotes/\nlib/competitions/*.toml\n")
    some = dry_run(program, project)
    left = {name for name in every if name not in some["files"]}
    assert {"lib/data/a.bin", "lib/data/notes/c.txt", "lib/data/notes/d.md", "lib/competitions/dubai.toml"} <= left
    assert "lib/data/b.bin" in some["files"]
    assert left == set(some["ignored"])
    assert not [name for name in left if name.endswith(".py")]
    first = (program.runs / "dry-run" / "kernel" / "kernel.py").read_bytes()
    shown = program(*push(project, "--dry-run")).stdout
    assert (program.runs / "dry-run" / "kernel" / "kernel.py").read_bytes() == first
    assert f"ignored      {len(left)}: " in shown


@pytest.mark.parametrize("line", ["lib/recipe/data.py", "recipe.py", "lib/training/", "lib/competitions/**"])
def test_what_the_kernel_imports_cannot_be_ignored(program, project, line):
    (project / ".kernelignore").write_text(f"*.bin\n{line}\n")
    done = program(*push(project, "--dry-run"), code=3)
    assert f".kernelignore leaves it out (line 2: {line})" in done.stderr
    assert "so the kernel could not run" in done.stderr
    (project / ".kernelignore").write_text(f"*.bin\n{line}\n!lib/**\n")


def test_a_module_that_nothing_imports_may_stay_home(program, project):
    (project / "lib" / "data" / "experiment.py").write_text("import lib.data.other\n")
    (project / ".kernelignore").write_text("experiment.py\n")
    assert dry_run(program, project)["ignored"] == ["lib/data/experiment.py"]


def test_a_line_that_git_would_not_understand_is_named(tmp_path):
    (tmp_path / ".kernelignore").write_text("*.bin\n!\n")
    with pytest.raises(UsageError, match=r"\.kernelignore, line 2"):
        ignore.load(tmp_path)


NAMES = [
    "lib/a.py",
    "lib/data/a.bin",
    "lib/data/b.bin",
    "lib/data/deep/a.bin",
    "lib/data/deep/er/c.txt",
    "lib/models/a.py",
]
PATTERN = st.sampled_from(
    [
        "*.bin",
        "/lib/data",
        "lib/data/",
        "data/*",
        "a.*",
        "**/deep",
        "deep/**",
        "/a.py",
        "lib/**/a.bin",
        "[ab].bin",
        "# *",
    ]
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.tuples(PATTERN, st.booleans()), min_size=1, max_size=4))
def test_it_means_what_git_means(repository, lines):
    """Compared with `git check-ignore`."""
    text = "".join(f"{'!' if negated else ''}{pattern}\n" for pattern, negated in lines)
    (repository / ".gitignore").write_text(text)
    (repository / ".kernelignore").write_text(text)
    command = ["git", "-C", repository, "check-ignore", "--no-index", *NAMES]
    known = set(subprocess.run(command, capture_output=True, text=True).stdout.splitlines())
    ignored = ignore.load(repository)
    assert {name for name in NAMES if ignored.line(name)} == known, text


# Credentials


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"token = '{KAGGLE}'", "a Kaggle API token"),
        (f"os.environ['HF_TOKEN']={HUGGING_FACE}", "a Hugging Face token"),
        ("x = 'ghp_" + "a1B2" * 9 + "'", "a GitHub token"),
        ("github_pat_" + "a1B2_" * 8, "a GitHub token"),
        ("aws: AKIA" + "ABCD" * 4, "an AWS access key"),
        ("-----BEGIN OPENSSH " + "PRIVATE KEY-----", "a private key"),
        ("-----BEGIN " + "PRIVATE KEY-----", "a private key"),
        ('{"username": "me", "key": "' + "0f" * 16 + '"}', "a kaggle.json"),
        ("{'key':'" + "0f" * 16 + "', 'username':'me'}", "a kaggle.json"),
        ("WANDB_API_KEY = '" + "f0a1b2c3d4e5" * 3 + "'", "a secret in plain text"),
        ('{"client_secret": "' + "Zx9-Qw8_Er7" * 3 + '"}', "a secret in plain text"),
        ("PASSWORD=" + "Zx9Qw8Er7" * 3 + "\n", "a secret in plain text"),
        ("secret_key" + " " * 300 + "= '" + "Zx9Qw8Er7" * 3 + "'", "a secret in plain text"),
        ("login:api_key=" + "Zx9Qw8Er7" * 3 + "\r\n", "a secret in plain text"),
    ],
)
def test_a_credential_is_found_in_its_line_and_never_shown(text, kind):
    (leak,) = leaks.find({"lib/a.py": f"import os\n{text}\n".encode()})
    assert (leak.file, leak.line, leak.kind) == ("lib/a.py", 2, kind)
    secret = max(text.replace("'", " ").replace('"', " ").split(), key=len)
    assert secret not in str(leak)


@pytest.mark.parametrize(
    "name",
    [
        *("lib/.env", "lib/.env.local", "lib/prod.env", "a/server.pem", "tls.key", "id_rsa", "kaggle.json", ".netrc"),
        *("access_token", "credentials.json"),
    ],
)
def test_a_file_that_exists_to_hold_credentials_is_one(name):
    assert [leak.file for leak in leaks.find({name: b"", "lib/a.py": b""})] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "api_key = os.environ['API_KEY']",
        "api_key = 'your-api-key-goes-here-please'",
        "password: str | None = None",
        "secret_key=secrets.token_urlsafe(nbytes=32)",
        "hf_hub_download('timm/resnet34.a1_in1k', 'model.safetensors')",
        "if name.startswith('KGAT_'): pass",
        "sha256 = '" + "0f" * 32 + "'",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_only_talks_of_credentials_is_none(text):
    assert leaks.find({"lib/a.py": text.encode(), "lib/keys.py": b"", ".env.example": b"KEY="}) == ()


def test_nothing_of_the_project_or_of_the_packages_it_carries_looks_like_one():
    bundle = pack("train.py", find("sample"), Recipe(), "t4x2")
    assert any(name.startswith("site/segmentation_models_pytorch/") for name, _ in bundle.files)
    assert bundle.leaks == ()


def test_credentials_are_not_shipped(server, on_kaggle, project, tmp_path):
    server.python = quick_python(tmp_path)
    (project / "lib" / "data" / "notes.py").write_text(f"import os\n\nTOKEN = '{KAGGLE}'\n")
    (project / "lib" / "data" / "server.pem").write_text("")
    own = tmp_path / "own.toml"
    own.write_text(f"# {HUGGING_FACE}\n" + find("sample").read_text().replace('"sample"', '"own"', 1))
    words = (*push(project, "--detach"), "-c", own)
    done = on_kaggle(*words, code=3)
    assert "lib/data/notes.py line 3 (a Kaggle API token)" in done.stderr
    assert "lib/data/server.pem" in done.stderr
    assert f"{own} line 1 (a Hugging Face token)" in done.stderr
    assert server.requests == [], "found out before anybody was asked"

    dry = on_kaggle(*words, "--dry-run", "--json", code=3)
    (secrets,) = [check for check in json.loads(dry.stdout)["checks"] if check["name"] == "secrets"]
    assert secrets["verdict"] == "fail"
    assert "next: take them out" in dry.stderr
    for said in (done.stdout, done.stderr, dry.stdout, dry.stderr):
        assert KAGGLE not in said
        assert HUGGING_FACE not in said

    assert "forced: secrets" in on_kaggle(*words, "--force").stderr
    assert len(server.kernels) == 1
    (project / ".kernelignore").write_text("lib/data/notes.py\n*.pem\n")
    on_kaggle(*push(project, "--detach"))
    assert len(server.kernels) == 2


def test_a_secret_in_a_setting_is_found(program, project):
    done = program(*push(project, "--dry-run", "--set", f"model.weights=/kaggle/input/{KAGGLE}"), code=3)
    assert "the recipe (recipe.json)" in done.stderr
    assert KAGGLE not in done.stderr


# Size


def test_a_bundle_near_kaggles_limit_is_refused_unless_forced(server, on_kaggle, project, tmp_path):
    server.python = quick_python(tmp_path)
    forgotten = project / "lib" / "data" / "weights.bin"
    forgotten.write_bytes(random.Random(0).randbytes(330_000))
    done = on_kaggle(*push(project, "--detach"), code=3)
    assert "lib/data/weights.bin (330,000 bytes)" in done.stderr
    assert "a line in .kernelignore (or push it as it is: --force)" in done.stderr
    assert server.requests == []
    on_kaggle(*push(project, "--detach"), "--force")
    assert len(only(server.kernels).latest.text) > 900_000
    forgotten.write_bytes(random.Random(0).randbytes(700_000))
    assert "--force" not in on_kaggle(*push(project, "--detach"), "--force", code=3).stderr


# Sources that only kernel-metadata.json names


def test_kernels_and_models_are_looked_up_too(server, on_kaggle, project, tmp_path):
    server.python = quick_python(tmp_path)
    metadata = project / "kernel-metadata" / "train.json"
    content = json.loads(metadata.read_text())
    model = "me/unet/pyTorch/base/1"
    content |= {"kernel_sources": ["tester/earlier"], "model_sources": [model]}
    metadata.write_text(json.dumps(content))
    done = on_kaggle(*push(project, "--detach"), code=3)
    assert "the kernel tester/earlier is not there" in done.stderr
    assert f"the model {model} is not there" in done.stderr
    assert server.count("SaveKernel") == 0
    server.models[model] = tmp_path
    server.kernel_service.save_kernel(
        {"slug": "tester/earlier", "newTitle": "earlier", "text": "", "language": "python", "kernelType": "script"}
    )
    done = on_kaggle(*push(project, "--detach"))
    assert "sources      tester/earlier, me/unet/pyTorch/base/1" in done.stderr

    metadata.write_text(json.dumps(content | {"model_sources": ["me/unet"]}))
    done = on_kaggle(*push(project, "--detach"), code=3)
    assert "write it as owner/model/framework/variation/version" in done.stderr
