"""The recipe, the loss, the loop, checkpoints, and the ranks that share a step.

`lib.training.recipe` alone imports neither torch nor numpy.
"""
