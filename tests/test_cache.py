"""Decoded pixels on disk: whole or not there, within a size, the same from every process."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lib.data.cache import Cache

SHAPE = (37, 53)


def pixels(seed: int, channels: int = 3, dtype=np.uint8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.random((*SHAPE, channels)) * 200).astype(dtype), rng.integers(0, 9, SHAPE).astype(np.uint8)


def bands(image, labels, rows=10):
    for top in range(0, len(image), rows):
        yield top, image[top : top + rows], labels[top : top + rows]


def add(cache: Cache, name: str, seed: int, channels: int = 3, dtype=np.uint8) -> bool:
    image, labels = pixels(seed, channels, dtype)
    return cache.add(name, SHAPE, channels, dtype, bands(image, labels))


def holds(cache: Cache, name: str, seed: int, **kind) -> bool:
    entry = cache.get(name)
    return entry is not None and all(map(np.array_equal, entry, pixels(seed, **kind)))


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (10, np.float32), (1, np.float32)])
def test_what_goes_in_comes_out_in_any_process(tmp_path, channels, dtype):
    cache = Cache(tmp_path / "pixels", 1e9)
    assert cache.get("a") is None
    assert add(cache, "a", 1, channels, dtype)
    other = pickle.loads(pickle.dumps(cache))
    assert holds(cache, "a", 1, channels=channels, dtype=dtype)
    assert holds(other, "a", 1, channels=channels, dtype=dtype)
    with pytest.raises(ValueError, match="read-only"):
        other.get("a")[0][0] = 0


def test_an_entry_is_decoded_once(tmp_path):
    cache = Cache(tmp_path, 1e9)
    add(cache, "a", 1)

    def never():
        raise AssertionError("decoded again")
        yield

    assert Cache(tmp_path, 1e9).add("a", SHAPE, 3, np.uint8, never())


def test_what_breaks_off_leaves_nothing(tmp_path):
    image, labels = pixels(1)

    def broken():
        yield 0, image[:10], labels[:10]
        raise RuntimeError("cut short")

    cache = Cache(tmp_path, 1e9)
    with pytest.raises(RuntimeError):
        cache.add("a", SHAPE, 3, np.uint8, broken())
    assert cache.get("a") is None
    assert not list(tmp_path.iterdir())
    assert add(cache, "a", 1), "and its room is free again"


def test_it_keeps_within_its_size_and_gives_up_what_others_left(tmp_path):
    one = SHAPE[0] * SHAPE[1] * 4 + 256
    old = Cache(tmp_path, 10 * one)
    assert all(add(old, f"old{seed}", seed) for seed in range(3))
    cache = Cache(tmp_path, 3.5 * one)
    assert [add(cache, f"new{seed}", seed) for seed in range(5)] == [True, True, True, False, False]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3.5 * one
    assert [cache.get(f"old{seed}") for seed in range(3)] == [None] * 3
    assert all(holds(cache, f"new{seed}", seed) for seed in range(3)), "what a run uses is not given up for more of it"


def test_threads_that_want_the_same_and_others_at_once(tmp_path):
    one = SHAPE[0] * SHAPE[1] * 4 + 256
    cache = Cache(tmp_path, 6 * one)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: add(cache, f"n{number % 9}", number % 9), range(36)))
    kept = {name for name in (f"n{number}" for number in range(9)) if cache.get(name) is not None}
    assert len(kept) in (5, 6)
    assert any(done)
    assert all(holds(cache, name, int(name[1:])) for name in kept)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6 * one


def test_a_file_that_was_cut_is_no_entry(tmp_path):
    cache = Cache(tmp_path, 1e9)
    add(cache, "a", 1)
    path = tmp_path / "a.image.npy"
    path.write_bytes(path.read_bytes()[:50])
    assert Cache(tmp_path, 1e9).get("a") is None
