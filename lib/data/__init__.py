"""From a folder of images and masks to training crops and validation images.

root = find_root(competition, folders)                         # Kaggle's mounts, or the generated sample
ready = make_ready(competition, recipe, root, scratch, print)  # divided, measured, checked, counted, in the cache
crops = TrainingCrops(ready.census, ready.pool, ready.reading, recipe)
"""
