"""A session on this machine: Kaggle's folders, a supervisor that outlives its launcher, every way to end."""
