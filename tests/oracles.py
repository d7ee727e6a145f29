"""Scores of whole presets, worked out a second time: by other people's libraries, or by loops over boolean masks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial.distance import directed_hausdorff
from sklearn.metrics import accuracy_score, f1_score, fbeta_score, jaccard_score

from lib.rasters.instances import Instance

SWEEP = [0.5 + 0.05 * step for step in range(10)]


def flat(masks):
    return np.concatenate([mask.ravel() for mask in masks])


def known(truths, predictions):
    """Both over the pixels that the truth does not ignore."""
    truth, prediction = flat(truths), flat(predictions)
    return truth[truth != 255], prediction[truth != 255]


def macro_iou(competition, truths, predictions, ids):
    counted = [*competition.counted]
    return jaccard_score(*known(truths, predictions), labels=counted, average="macro", zero_division=0)


def macro_f1(competition, truths, predictions, ids):
    return f1_score(*known(truths, predictions), labels=[*competition.counted], average="macro")


def overall_accuracy(competition, truths, predictions, ids):
    return accuracy_score(*known(truths, predictions))


def global_f1(competition, truths, predictions, ids):
    truth, prediction = known(truths, predictions)
    return f1_score(truth == 1, prediction == 1)


def patch_f1(competition, truths, predictions, ids):
    def made(mask):
        places = [(y, x) for y in range(0, mask.shape[0], 16) for x in range(0, mask.shape[1], 16)]
        return [float((mask[y : y + 16, x : x + 16] == 1).mean()) > 0.25 for y, x in places]

    return f1_score(np.concatenate(list(map(made, truths))), np.concatenate(list(map(made, predictions))))


def f1_of_images(beta):
    def oracle(competition, truths, predictions, ids):
        pairs = [known([truth], [other]) for truth, other in zip(truths, predictions, strict=True)]
        return np.mean([fbeta_score(one == 1, other == 1, beta=beta, zero_division=1) for one, other in pairs])

    return oracle


def dice(one, other, empty):
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else empty


def planes(mask, competition):
    if mask.dtype == np.uint32:
        return [mask >> np.uint32(index) & 1 > 0 for index in competition.counted]
    return [mask == index for index in competition.counted]


def pair_dice(empty):
    def oracle(competition, truths, predictions, ids):
        values = [
            dice(one & (truth != 255), other & (truth != 255), empty)
            for truth, prediction in zip(truths, predictions, strict=True)
            for one, other in zip(planes(truth, competition), planes(prediction, competition), strict=True)
        ]
        return np.nanmean(values)

    return oracle


def multilabel_iou(competition, truths, predictions, ids):
    sides = [np.stack([flat(part) for part in zip(*(planes(mask, competition) for mask in side), strict=True)], 1)
             for side in (truths, predictions)]  # fmt: skip
    return jaccard_score(*sides, average="macro")


def salt(competition, truths, predictions, ids):
    """Kaggle's page: the share of the thresholds that the image's IoU exceeds; nothing in both is 1."""
    values = []
    for truth, prediction in zip(truths, predictions, strict=True):
        one, other = truth == 1, (prediction == 1) & (truth != 255)
        union = np.count_nonzero(one | other)
        iou = np.count_nonzero(one & other) / union if union else 1.0
        values.append(np.mean([iou > threshold for threshold in SWEEP]))
    return np.mean(values)


def damage(competition, truths, predictions, ids):
    """xView2's scorer: 0.3 F1 of building or not, 0.7 of the harmonic mean of four F1 inside true buildings."""
    truth, prediction = known(truths, predictions)
    prediction = np.where(prediction == 255, 0, prediction)
    inside = truth > 0
    each = f1_score(truth[inside], prediction[inside], labels=[1, 2, 3, 4], average=None)
    return 0.3 * f1_score(truth > 0, prediction > 0) + 0.7 * 4 / (1 / each).sum()


def organs(competition, truths, predictions, ids):
    """0.4 Dice of slices + 0.6 (1 - Hausdorff distance of volumes over their diagonal); empty pairs are skipped."""
    volumes = sorted({name.rsplit("_slice", 1)[0] for name in ids})
    values = []
    for volume in volumes:
        own = sorted((name, place) for place, name in enumerate(ids) if name.startswith(volume + "_"))
        for index in range(3):
            sides = [
                np.stack([side[place] >> np.uint32(index) & 1 for _, place in own]) for side in (truths, predictions)
            ]
            points = [np.argwhere(side) for side in sides]
            if not any(map(len, points)):
                continue
            ends = [directed_hausdorff(*pair)[0] for pair in (points, points[::-1])] if all(map(len, points)) else None
            values.append(1 - max(ends) / np.linalg.norm(sides[0].shape) if ends else 0.0)
    return 0.4 * pair_dice(np.nan)(competition, truths, predictions, ids) + 0.6 * np.mean(values)


def painted(instance: Instance, size):
    mask = np.zeros(size[0] * size[1], bool)
    for start, end in instance.runs:
        mask[start:end] = True
    return mask


def ious(truth, prediction, size):
    sides = [[painted(part, size) for part in side] for side in (truth, prediction)]
    table = [[np.count_nonzero(one & other) / np.count_nonzero(one | other) for other in sides[1]] for one in sides[0]]
    return np.array(table).reshape(len(truth), len(prediction))


def sweep(formula, size):
    """Kaggle's pages of the Data Science Bowl and of Airbus: counts at each threshold, averaged over thresholds."""

    def oracle(competition, truths, predictions, ids):
        values = []
        for truth, prediction in zip(truths, predictions, strict=True):
            table = ious(truth, prediction, size)
            for threshold in SWEEP:
                hit = table > threshold
                missed, false = (hit.sum(1) == 0).sum(), (hit.sum(0) == 0).sum()
                values.append(formula(hit.sum(), false, missed) if len(truth) + len(prediction) else 1.0)
        return np.mean(values)

    return oracle


def buildings(competition, truths, predictions, ids, size=(40, 50)):
    """SpaceNet's scorer: the more confident first, each takes the best true building that is left, from IoU 0.5 on."""
    found = total = 0
    for truth, prediction in zip(truths, predictions, strict=True):
        table, left = ious(truth, prediction, size), set(range(len(truth)))
        total += len(truth) + len(prediction)
        for column in np.argsort([-part.confidence for part in prediction], kind="stable"):
            best = max(left, key=lambda row: table[row, column], default=None)
            if best is not None and table[best, column] >= 0.5:
                left.discard(best)
                found += 1
    return 2 * found / total


def openimages(competition, truths, predictions, ids, size=(40, 50)):
    """Mean over classes of the area under the interpolated precision, at IoU 0.6."""
    values = []
    for index in competition.counted:
        ranking, there = [], 0
        for truth, prediction in zip(truths, predictions, strict=True):
            one, other = ([part for part in side if part.index == index] for side in (truth, prediction))
            table, taken = ious(one, other, size), set()
            there += len(one)
            for column in np.argsort([-part.confidence for part in other], kind="stable"):
                best = int(table[:, column].argmax()) if len(one) else -1
                hit = best >= 0 and table[best, column] >= 0.6 and best not in taken
                taken |= {best} if hit else set()
                ranking.append((-other[column].confidence, len(ranking), hit))
        if there:
            marks = np.array([hit for *_, hit in sorted(ranking)], float)
            precision = marks.cumsum() / np.arange(1, len(marks) + 1)
            recall = [0.0, *(marks.cumsum() / there)]
            steps = [after - before for before, after in pairwise(recall)]
            values.append(sum(step * precision[place:].max() for place, step in enumerate(steps)))
    return np.mean(values)


def cocoeval(competition, truths, predictions, ids, size=(40, 50)):
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(side, key):
        found = []
        for image, parts in enumerate(side, 1):
            for part in parts:
                rle = coco_mask.encode(np.asfortranarray(painted(part, size).reshape(size).astype(np.uint8)))
                found.append({"id": len(found) + 1, "image_id": image, "category_id": part.index, "segmentation": rle,
                              "area": part.area, "iscrowd": 0, key: part.confidence})  # fmt: skip
        return found

    images = [{"id": number, "height": size[0], "width": size[1]} for number in range(1, len(ids) + 1)]
    categories = [{"id": index, "name": competition.names[index]} for index in competition.counted]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": images,
        "annotations": entries(truths, "confidence"),
        "categories": categories,
    }
    truth.createIndex()
    found = truth.loadRes(entries(predictions, "score"))
    evaluation = COCOeval(truth, found, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]
