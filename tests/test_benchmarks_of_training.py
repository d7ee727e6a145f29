"""The benchmarks of training: the loop ends where the bare steps end; the example's script trains and is counted."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from benchmarks import dubai, stepping
from benchmarks.case import Disagreement, Inputs
from tests.programs import PROJECT


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(stepping, "SIZES", {"cpu": ("resnet18", 64, 4)})
    monkeypatch.setattr(stepping, "STEPS", {"cpu": 3})


def test_the_loop_takes_the_bare_steps(small, tmp_path):
    inputs = Inputs(tmp_path)
    ours, theirs = (side(inputs, "cpu", "32-true")() for side in (stepping.kit, stepping.bare))
    assert "of their way apart" in stepping.same_weights(ours, theirs, inputs, "cpu", "32-true")
    weights, peak = theirs
    other = {name: tensor + 1e-3 for name, tensor in weights.items()}
    with pytest.raises(Disagreement, match="of their way apart"):
        stepping.same_weights(ours, (other, peak), inputs, "cpu", "32-true")


def test_the_example_trains_and_is_scored(tmp_path):
    """Eight images of two halves, dark and bright, are two classes that a few steps tell apart better than not."""
    pairs = []
    for number in range(8):
        image = np.full((70, 90, 3), 40, np.uint8)
        image[:, 45:] = 210
        mask = (image[..., 0] > 100).astype(np.uint8)
        mask[:3] = 255
        paths = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        cv2.imwrite(str(paths[0]), image + np.random.default_rng(number).integers(0, 30, image.shape, np.uint8))
        cv2.imwrite(str(paths[1]), mask)
        pairs.append([str(path) for path in paths])
    job = {"architecture": "unet", "encoder": "tu-mobilenetv3_small_050", "classes": 2, "crop": 64, "batch": 4}
    job |= {"images": 16, "workers": 0, "precision": "32-true", "training": pairs[:6], "held_out": pairs[6:]}
    (tmp_path / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-m", "benchmarks.smp_example", str(tmp_path / "job.json"), str(tmp_path / "result.json")],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["images"] == 16
    assert result["images_per_s"] > 0
    assert np.sum(result["table"]) == 2 * 67 * 90, "ignored pixels are not counted"
    scored = dubai.measured(result)
    (a, b), (c, d) = result["table"]
    assert scored["iou"] == pytest.approx([a / (a + b + c), d / (b + c + d)])
    assert scored["miou"] == pytest.approx(sum(scored["iou"]) / 2)
    assert torch.isfinite(torch.tensor(scored["iou"])).all()
