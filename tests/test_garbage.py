"""What imports make is no garbage: programs do not look through it again and again, nor at exit."""

import re

LOOKS = """
import atexit, gc, sys
told = lambda: print(sum(each["collections"] for each in gc.get_stats()), gc.get_freeze_count(), file=sys.stderr)
atexit.register(told)
if "usual" not in sys.argv:
    from lib import garbage
    garbage.seldom()
import torch
"""
FROZEN = """
import atexit, gc, sys
atexit.register(lambda: print("frozen:", gc.get_freeze_count(), file=sys.stderr))
from launch import app
from lib.launching.terminal import main
main(app)
"""


def test_imports_are_looked_through_seldom_and_not_at_exit(program):
    looks, frozen = map(int, program("-c", LOOKS).stderr.split())
    usual, none = map(int, program("-c", LOOKS, "usual").stderr.split())
    assert looks < usual / 20
    assert frozen > 100_000 > none


def test_the_programs_do_so(program):
    said = program("-c", FROZEN, "runs").stderr
    assert int(re.search(r"frozen: (\d+)", said).group(1)) > 10_000


def test_a_predicting_session_does_so_and_leaves_none_of_its_own(program):
    words = "import gc, kernels.predict; print(gc.get_freeze_count(), gc.get_threshold()[0])"
    frozen, every = map(int, program("-c", words, SWATH_BUNDLE="none").stdout.split())
    assert frozen > 100_000
    assert every < 10_000
