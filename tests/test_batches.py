"""A batch that does not fit into memory is halved, and stays so; what comes out does not depend on it."""

import numpy as np
import pytest
import torch

from lib.competitions import Pair, load
from lib.errors import Failed
from lib.inference.decision import Decision
from lib.inference.folder import predict_folder
from lib.inference.labels import predict_labels
from lib.inference.output import MaskOutput
from lib.rasters import encode_png
from lib.rasters.reader import Pixels
from tests.inferring import CLASSES, Pointwise, picture, predictor, whole


class Small(Pointwise):
    """Has memory for `most` images at a time; `seen` are the batches that it was given."""

    def __init__(self, most: int, classes: int = CLASSES) -> None:
        super().__init__(classes)
        self.most, self.seen = most, []

    def forward(self, images):
        self.seen.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(images)


@pytest.mark.parametrize("tta", ["none", "flips"])
@pytest.mark.parametrize("most", [1, 3])
def test_it_is_halved_until_it_fits_and_nothing_else_changes(most, tta):
    image = picture(150, 203)
    keys = {"infer__tta": tta, "infer__batch": 16}
    small, plenty = Small(most), predictor(Small(1000), **keys)
    teller = predictor(small, **keys)
    assert np.allclose(whole(teller, Pixels(image)), whole(plenty, Pixels(image)), atol=1e-6)
    assert max(plenty.members[0].model.seen) > most
    assert teller.batch <= most
    assert sorted({size for size in small.seen if size > most}, reverse=True) == [
        size for size in small.seen if size > most
    ], "every size that did not fit was tried once"
    small.seen.clear()
    labels = [predict_labels(each, image, (150, 203), Decision.plain(CLASSES)) for each in (teller, plenty)]
    assert np.array_equal(*labels)
    assert max(small.seen) <= most, "the next image is spared what did not fit"


def test_one_window_that_does_not_fit_ends_the_set(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(picture(40, 50)))
    output = MaskOutput(predictor(Small(0, 6)), load("sample"), tmp_path / "out")
    with pytest.raises(Failed, match=r"a window of 64 pixels does not fit into the memory of .*") as caught:
        predict_folder(output, [Pair(name, path, None, name) for name in "ab"])
    assert "--set infer.window=32" in caught.value.hint
    assert output.predictor.members[0].model.seen == [1], "the second image was not tried"
