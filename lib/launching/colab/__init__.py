"""Colab, through Google's `colab` command: one machine a session, released on every way out."""
