"""From a folder of images and masks to training crops and validation images.

root = find_root(competition, folders)                # Kaggle's mounts, or the generated sample
pairs = find_pairs(competition.data.train, root)
check(pairs, competition)                             # every file opened once, before any training
training, held_out = split(pairs, share=0.2, seed=0)
"""
