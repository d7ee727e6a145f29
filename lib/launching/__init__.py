"""From the laptop to a session and back: plan, bundle, push, follow, fetch.

Nothing here imports torch or numpy, and nothing here travels with the kernel.
"""
