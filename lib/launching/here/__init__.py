"""This machine as a place: a session in a folder, and the process that watches over it."""
