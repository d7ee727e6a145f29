"""The commands of `submit.py`: what each parses, calls and prints."""
