"""A model's parts by name, in the order of the data's way: the encoder's stages, the decoder's blocks, the head.

    for name, part in blocks(model).items(): ...       # encoder.stem, encoder.stage1, …, decoder.blocks.0, …, head

Every parameter is in exactly one of them. They are the model's own layers: what is done to a part is done to the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from torch import nn

STEM, STAGE, HEAD = "encoder.stem", "encoder.stage", "head"

Unit = tuple[str, nn.Module | nn.Parameter]


class Part(nn.Module):
    """Layers and single parameters of a model, taken together."""

    def __init__(self, units: Iterable[Unit]) -> None:
        super().__init__()
        for name, unit in units:
            put = self.register_parameter if isinstance(unit, nn.Parameter) else self.add_module
            put(name.replace(".", "_"), unit)


def blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of a `Segmenter`, or of the network inside one; those without parameters are left out."""
    net = getattr(model, "net", model)
    parts = dict(_encoder(net.encoder))
    for name, child in net.named_children():
        if name not in ("encoder", "segmentation_head") and _counts(child):
            parts |= dict(_opened(name, child, deep=True))
    parts[HEAD] = net.segmentation_head
    loose = [(name, weights) for name, weights in net.named_parameters(recurse=False)]
    return parts | ({"rest": Part(loose)} if loose else {})


def encoder_parameters(model: nn.Module) -> set[nn.Parameter]:
    """The encoder's parameters, which are often pretrained, and then learn more slowly than the decoder's."""
    return set(getattr(model, "net", model).encoder.parameters())


def _encoder(encoder: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The stem, where there is one, and a stage up to each of the maps that an encoder gives."""
    if isinstance(encoder, nn.ModuleList):  # the plain U-Net's: a stage for each size
        groups = [[(str(number), stage)] for number, stage in enumerate(encoder)]
    elif hasattr(encoder, "model"):
        groups = _timms(encoder)
    else:
        groups = [[], *_numbered(encoder)]
    for number, units in enumerate(groups):
        units = [(name, unit) for name, unit in units if isinstance(unit, nn.Parameter) or _counts(unit)]
        if units:
            yield (f"{STAGE}{number}" if number else STEM), Part(units)


def _timms(encoder: nn.Module) -> list[list[Unit]]:
    """Units of a timm model, cut behind each map that it says it gives (`feature_info`)."""
    model, told = encoder.model, encoder.model.feature_info
    if type(model).__name__ == "FeatureGetterNet":
        model = model.model
    told = list(getattr(told, "info", told))
    if indices := getattr(encoder, "_output_indices", None):  # a whole model, whose maps are asked for by number
        told = [told[index] for index in indices]
    units = _units(model, [info["module"] for info in told])
    names = [name.replace(".", "_") for name, _ in units]
    cuts = []
    for info in told:
        wanted = info["module"].replace(".", "_")
        fitting = [at for at, name in enumerate(names) if wanted == name or wanted.startswith(f"{name}_")]
        if fitting:
            cuts.append((max(fitting, key=lambda at: len(names[at])), info["reduction"]))
    if not cuts:
        return [[], units]
    ends = sorted({at + 1 for at, _ in cuts})
    first, reduction = min(cuts)
    stem = first + 1 if reduction <= 2 else _begin(names, first)  # the first map of a transformer is a stage's already
    bounds = [0, *([stem] if stem not in ends else []), *ends[:-1], len(units)]
    groups = [units[begin:end] for begin, end in pairwise(bounds)]
    return groups if len(ends) > 1 else [units[:stem], units[stem:]]


def _begin(names: list[str], first: int) -> int:
    """The first unit of the container that holds unit `first`: blocks_0 of blocks_2."""
    family = re.sub(r"_?\d+$", "", names[first])
    return next(at for at, name in enumerate(names) if at == first or re.sub(r"_?\d+$", "", name) == family)


def _units(model: nn.Module, told: list[str]) -> list[Unit]:
    """A model's own parameters, then its children; a container that holds several of its maps is opened."""
    found: list[Unit] = list(model.named_parameters(recurse=False))
    for name, child in model.named_children():
        inside = {module.removeprefix(f"{name}.").split(".")[0] for module in told if module.startswith(f"{name}.")}
        opens = isinstance(child, nn.Sequential | nn.ModuleList) and len(inside) > 1
        found += [(f"{name}.{inner}", unit) for inner, unit in child.named_children()] if opens else [(name, child)]
    return found


def _numbered(encoder: nn.Module) -> list[list[Unit]]:
    """Children by the number at the end of their names: patch_embed1, block1, norm1, then those with a 2."""
    groups: dict[int, list[Unit]] = {}
    for name, child in encoder.named_children():
        number = re.search(r"\d+$", name)
        groups.setdefault(int(number[0]) if number else 1, []).append((name, child))
    return [groups[number] for number in sorted(groups)]


def _opened(name: str, part: nn.Module, deep: bool) -> Iterator[Unit]:
    """A decoder's blocks: its children, and of a list of blocks each block."""
    children = [(inner, child) for inner, child in part.named_children() if _counts(child)]
    loose = list(part.named_parameters(recurse=False))
    if loose or not children:
        yield name, part
        return
    for inner, child in children:
        is_list = isinstance(child, nn.ModuleList | nn.ModuleDict)
        if deep and is_list:
            yield from _opened(f"{name}.{inner}", child, deep=False)
        else:
            yield f"{name}.{inner}", child


def _counts(part: nn.Module) -> bool:
    return next(part.parameters(), None) is not None
