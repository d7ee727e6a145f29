"""One file that is a whole run: the same bytes from the same tree, small, readable, and complete in itself."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.competitions.loader import find, load
from lib.errors import Refused
from lib.launching.preparing import bundle
from lib.launching.preparing.plan import Request, make_plan, write_kernel
from lib.recipe import Recipe, resolve
from tests.programs import PROJECT


@pytest.fixture(scope="module")
def packed():
    recipe, _ = resolve([("sample", {"model.encoder": "resnet10t", "model.weights": "none"})])
    return bundle.pack("train.py", find("sample"), recipe, "t4x2")


@pytest.fixture(scope="module")
def unpacked(packed, tmp_path_factory) -> Path:
    """Unpacked as its head says, by an interpreter that knows nothing of this project."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "kernel.py").write_bytes(packed.source)
    command = [sys.executable, "-I", "-S", "kernel.py", "unpack", "inside"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "unpacked into inside" in done.stdout
    return folder / "inside"


def test_the_same_tree_gives_the_same_bytes(packed):
    recipe, _ = resolve([("sample", {"model.encoder": "resnet10t", "model.weights": "none"})])
    assert bundle.pack("train.py", find("sample"), recipe, "t4x2") == packed
    assert bundle.pack("train.py", find("sample"), recipe, "p100").sha256 != packed.sha256


def test_another_process_with_other_times_gives_the_same_bytes(packed, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(
        PROJECT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "cache", "__pycache__", "tests")
    )
    code = "from lib.competitions.loader import find\nfrom lib.launching.preparing.bundle import *\n"
    code += "from lib.recipe import *\n"
    code += "r, _ = resolve([('sample', {'model.encoder': 'resnet10t', 'model.weights': 'none'})])\n"
    code += "import sys; sys.stdout.buffer.write(pack('train.py', find('sample'), r, 't4x2').source)"
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, check=True)
    assert done.stdout == packed.source


def test_it_is_small_and_its_head_can_be_read(packed):
    assert len(packed.source) < bundle.LIMIT == 900_000
    text = packed.source.decode()
    about = ast.get_docstring(ast.parse(text))
    assert "python kernel.py unpack FOLDER" in about
    assert "resnet10t" in about
    assert "t4x2" in about
    assert packed.sha256 in text
    for name, size in packed.files:
        if not name.startswith("site/"):
            assert re.search(rf"{size:,}\s+{re.escape(name)}\n", text), name
    assert text.index("def main") < text.index('PAYLOAD = """')


OLDER = """
import runpy, sys, tarfile

extract = tarfile.TarFile.extractall
tarfile.TarFile.extractall = lambda tar, path: extract(tar, path)
if hasattr(tarfile, "data_filter"):
    del tarfile.data_filter
sys.argv = ["kernel.py", "unpack", "inside"]
runpy.run_path("kernel.py", run_name="__main__")
"""


def test_it_unpacks_under_a_python_that_has_no_filters_for_archives(packed, tmp_path):
    """Debian's 3.11.2 is one."""
    (tmp_path / "kernel.py").write_bytes(packed.source)
    subprocess.run([sys.executable, "-W", "ignore", "-c", OLDER], cwd=tmp_path, check=True)
    assert (tmp_path / "inside" / "kernels" / "train.py").is_file()


def test_what_is_inside(packed, unpacked):
    inside = {path.relative_to(unpacked).as_posix(): path for path in unpacked.rglob("*") if path.is_file()}
    assert {name: path.stat().st_size for name, path in inside.items()} == dict(packed.files)
    for name in ("lib/training/loop.py", "kernels/train.py", "lib/competitions/dubai.toml"):
        assert inside[name].read_bytes() == (PROJECT / name).read_bytes()
    assert inside["competition.toml"].read_bytes() == find("sample").read_bytes()
    assert Recipe.model_validate_json(inside["recipe.json"].read_text()).model.encoder == "resnet10t"
    assert json.loads(inside["plan.json"].read_text()) == {"kernel": "train.py", "gpu": "t4x2"}
    stays = ("lib/launching", "lib/data/doctor", "lib/data/discover")
    assert not [name for name in inside if name.startswith(stays) or "__pycache__" in name]
    assert any(name.startswith("site/segmentation_models_pytorch/decoders/unet") for name in inside)
    assert any(
        re.fullmatch(r"site/segmentation_models_pytorch-.*/licenses/LICENSE|site/.*LICENSE", name) for name in inside
    )


HOME = ("lib.launching", "lib.data.doctor", "lib.data.discover", "kaggle", "kagglesdk")


def test_nothing_that_travels_knows_launching_or_the_client():
    files = [*PROJECT.glob("lib/**/*.py"), *PROJECT.glob("kernels/*.py")]
    stays = {"launching", "doctor", "discover"}
    travelling = [path for path in files if not stays & set(path.parts)]
    assert len(travelling) > 30
    for path in travelling:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith(HOME)], path


def test_rooms_know_only_rooms_below_them():
    """The arrows of the README's map: a room imports what stands before it, never what stands after."""
    order = [
        "competitions",
        "rasters",
        "scoring",
        "data",
        "models",
        "inference",
        "training",
        "tuning",
        "reporting",
        "submissions",
    ]
    seen = set()
    for path in PROJECT.glob("lib/*/*.py"):
        room = path.parent.name
        if room in order:
            seen.add(room)
            for other in re.findall(r"^\s*from lib\.(\w+)(?:\.\w+)* import", path.read_text(), re.MULTILINE):
                if other in order:
                    assert order.index(other) <= order.index(room), f"{path.relative_to(PROJECT)} imports {other}"
    assert seen == set(order)


def test_a_damaged_payload_is_not_run(packed, tmp_path):
    text = packed.source.decode()
    place = text.index("\n", text.index('PAYLOAD = """')) + 2000
    damaged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    (tmp_path / "kernel.py").write_text(damaged)
    done = subprocess.run([sys.executable, "kernel.py", "unpack", "x"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "payload is damaged" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_bundle_that_grew_too_large_names_its_largest_files(tmp_path, monkeypatch):
    for part in ("lib", "kernels"):
        shutil.copytree(PROJECT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    forgotten = tmp_path / "lib" / "data" / "weights.bin"
    forgotten.write_bytes(bytes(range(256)) * 10 + __import__("random").Random(0).randbytes(1_000_000))
    monkeypatch.setattr(bundle, "PROJECT", tmp_path)
    with pytest.raises(Refused) as caught:
        bundle.pack("train.py", find("sample"), Recipe(), "t4x2")
    assert "lib/data/weights.bin (1,002,560 bytes)" in caught.value.reason
    assert "900,000" in caught.value.reason


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(gpu="t4x2"), {"machine_shape": "NvidiaTeslaT4", "enable_gpu": True, "enable_internet": True}),
        (Request(gpu="p100"), {"machine_shape": "NvidiaTeslaP100", "enable_gpu": True}),
        (Request(place="kaggle"), {"enable_gpu": False}),
        (Request(gpu="t4x2", settings=("model.weights=none",)), {"enable_internet": False}),
        (Request(gpu="t4x2", internet=True, settings=("model.weights=none",)), {"enable_internet": True}),
        (Request(gpu="t4x2", competition="sample"), {"enable_internet": False, "dataset_sources": []}),
    ],
)
def test_the_metadata_that_is_pushed(tmp_path, request_, expected):
    from slugify import slugify

    plan = make_plan(request_, environment={})
    write_kernel(plan, tmp_path, "20261120-092133-deepglobe-4f1c", owner="me")
    metadata = json.loads((tmp_path / "kernel-metadata.json").read_text())
    assert metadata["is_private"] is True
    assert metadata["code_file"] == "kernel.py"
    assert metadata["id"] == f"me/{slugify(metadata['title'])}"
    assert (tmp_path / "kernel.py").read_bytes() == plan.bundle.source
    assert {key: metadata.get(key) for key in expected} == expected
    assert isinstance(metadata["enable_internet"], bool)
    if plan.competition.name == "deepglobe":
        assert metadata["dataset_sources"] == ["balraj98/deepglobe-land-cover-classification-dataset"]
    assert ("machine_shape" in metadata) == plan.accelerator.is_gpu


def test_flag_beats_environment_beats_file_beats_competition(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("[train]\nepochs = 20\nbatch = 4\nlr = 0.1\n")
    request_ = Request(competition="sample", recipe=own, settings=("train.epochs=40",))
    plan = make_plan(request_, environment={"SWATH_TRAIN__EPOCHS": "30", "SWATH_TRAIN__BATCH": "6"})
    assert (plan.recipe.train.epochs, plan.recipe.train.batch, plan.recipe.train.lr) == (40, 6, 0.1)
    assert plan.recipe.data.crop == load("sample").recipe["data"]["crop"] != Recipe().data.crop, "the competition's own"
    assert plan.origins["train.batch"] == "the environment"


def test_a_run_here_takes_the_laptop_keys_and_a_pushed_one_does_not():
    assert make_plan(Request(competition="dubai", gpu="t4x2"), {}).recipe.model.encoder == "resnet34"
    here = Request(competition="dubai", data=PROJECT / "lib")
    with pytest.raises(Exception, match="no image under"):
        make_plan(here, {})


def test_every_option_is_written_once():
    names = re.findall(r"^(\w+) = ", (PROJECT / "lib" / "launching" / "options.py").read_text(), re.MULTILINE)
    assert len(names) > 40
    assert len(set(names)) == len(names)
