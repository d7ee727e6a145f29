"""Bringing outputs home: listed, resumed, verified, renamed."""
