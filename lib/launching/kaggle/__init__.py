"""Kaggle, through its official client: signing in, pushing, asking, downloading, uploading, submitting."""
