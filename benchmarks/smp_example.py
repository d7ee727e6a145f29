"""The training script of segmentation-models-pytorch's examples, for several classes, as a program of its own.

    python -m benchmarks.smp_example job.json result.json

It follows the multi-class example: a LightningModule around `smp.create_model` with the encoder's normalisation, a data
set that reads an image and its mask whole for every crop, albumentations, the Dice loss, Adam at 2e-4 along a cosine
to 1e-5, one crop of each image an epoch. `job.json`: architecture, encoder, classes, crop, batch, images (crops to
train on), workers, precision, training and held_out (pairs of an image and a mask of class indices, 255 ignored). The
result: crops a second of training, and the confusion table of the held-out images, predicted whole at their own size.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytorch_lightning as pl
import segmentation_models_pytorch as smp
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset

IGNORE = 255


def augmentation(crop: int) -> A.Compose:
    """The example's, with the crop's size."""
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.5, 1.5), translate_percent=(-0.1, 0.1), rotate=0, p=1, fill_mask=IGNORE),
            A.PadIfNeeded(min_height=crop, min_width=crop, fill_mask=IGNORE),
            A.RandomCrop(height=crop, width=crop),
            A.GaussNoise(p=0.2),
            A.Perspective(p=0.5, fill_mask=IGNORE),
            A.OneOf([A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)], p=0.9),
            A.OneOf([A.Sharpen(p=1), A.Blur(blur_limit=3, p=1), A.MotionBlur(blur_limit=3, p=1)], p=0.9),
            A.OneOf([A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)], p=0.9),
        ]
    )


class Images(Dataset):
    """An image and its mask, read whole, then changed."""

    def __init__(self, pairs: list[list[str]], transform: A.Compose | None = None) -> None:
        self.pairs, self.transform = pairs, transform

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        image, mask = self.pairs[number]
        drawn = {
            "image": cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB),
            "mask": cv2.imread(mask, cv2.IMREAD_GRAYSCALE),
        }
        if self.transform:
            drawn = self.transform(**drawn)
        return drawn["image"].transpose(2, 0, 1), drawn["mask"].astype(np.int64)


class Model(pl.LightningModule):
    """Normalisation, network, loss, optimizer."""

    def __init__(self, job: dict[str, Any], steps: int) -> None:
        super().__init__()
        self.net = smp.create_model(
            job["architecture"], encoder_name=job["encoder"], encoder_weights=None, classes=job["classes"]
        )
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.loss = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=IGNORE)
        self.steps, self.seconds = steps, 0.0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net((image / 255 - self.mean) / self.std)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        image, mask = batch
        logits = self(image)
        loss = self.loss(logits, mask)
        labels = logits.softmax(1).argmax(1)
        counts = smp.metrics.get_stats(
            labels, mask, mode="multiclass", num_classes=logits.shape[1], ignore_index=IGNORE
        )
        self.log("train_loss", loss, prog_bar=True)
        self.log("train_iou", smp.metrics.iou_score(*counts, reduction="micro"))
        return loss

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, self.steps), eta_min=1e-5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        self.begin = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self.begin


@torch.inference_mode()
def confusion(model: Model, pairs: list[list[str]], classes: int, device: str) -> np.ndarray:
    """Rows: truth. Each image whole, padded to a multiple of 32 as the example does."""
    table = np.zeros((classes, classes), np.int64)
    model.eval().to(device)
    for image, mask in Images(pairs):
        height, width = mask.shape
        padding = ((0, 0), (0, -height % 32), (0, -width % 32))
        pixels = torch.from_numpy(np.pad(image, padding)).float()[None].to(device)
        labels = model(pixels)[0, :, :height, :width].argmax(0).cpu().numpy()
        known = mask != IGNORE
        table += np.bincount(classes * mask[known] + labels[known], minlength=classes**2).reshape(classes, classes)
    return table


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text())
    pl.seed_everything(0, workers=True, verbose=False)
    torch.set_float32_matmul_precision("high")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loader = DataLoader(
        Images(job["training"], augmentation(job["crop"])),
        batch_size=job["batch"],
        shuffle=True,
        drop_last=True,
        num_workers=job["workers"],
        persistent_workers=job["workers"] > 0,
    )
    epochs = max(1, round(job["images"] / (len(loader) * job["batch"])))
    model = Model(job, epochs * len(loader))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=job["precision"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(model, loader)
    seen = epochs * len(loader) * job["batch"]
    table = confusion(model, job["held_out"], job["classes"], device)
    result = {"images": seen, "images_per_s": seen / model.seconds, "table": table.tolist(), "cores": os.cpu_count()}
    Path(sys.argv[2]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
