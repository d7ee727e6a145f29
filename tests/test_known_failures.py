"""The table of known failures: the words of Kaggle, torch and this kit's own kernels, and the fixes' flags."""

import re

import pytest

from lib.launching.following.failures import KNOWN, TRACE_LINES, diagnose, last_words
from lib.recipe import parse_setting, resolve

WORDS = {
    "the weights diverged": [
        "error: the weights were not numbers any more after epoch 3, and training stopped there",
    ],
    "shared memory of the loaders full": [
        "RuntimeError: DataLoader worker (pid 88) is killed by signal: Bus error. It is possible that dataloader's "
        "workers are out of shared memory. Please try to raise your shared memory limit.",
        "RuntimeError: unable to write to file </torch_55_123_0>: No space left on device (28)",
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).",
    ],
    "CUDA out of memory": [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14 GiB",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.90 GiB total)",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
    "no kernel image for this GPU": [
        "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        "error: this torch has no kernels for Tesla P100-PCIE-16GB (sm_60); it was built for sm_75, sm_80",
        "Tesla P100-PCIE-16GB with CUDA capability sm_60 is not compatible with the current PyTorch installation.",
    ],
    "phone not verified": [
        "error: a GPU was asked for and this session has none",
        "You must verify your phone number to use accelerators.",
        "Phone verification is required.",
    ],
    "competition rules not accepted": [
        "You must accept this competition's rules before you'll be able to download files.",
        "403 - Forbidden - you must accept the competition rules",
        "The rules have not been accepted by this user.",
    ],
    "no internet for the weights": [
        "error: the pretrained weights of resnet34 did not load: [Errno -3] Temporary failure in name resolution",
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files",
        "urllib3.exceptions.NameResolutionError: <urllib3…>: Failed to resolve 'huggingface.co' ([Errno -2])",
        "socket.gaierror: [Errno -2] Name or service not known",
    ],
    "missing mount": [
        "error: no folder under /kaggle/input holds images like 'train/{id}_sat.jpg'; mounted are:",
        "FileNotFoundError: [Errno 2] No such file or directory: '/kaggle/input/deepglobe/train'",
    ],
    "disk full": [
        "OSError: [Errno 28] No space left on device: '/kaggle/working/checkpoints/last.ckpt'",
        "Your notebook tried to use more disk space than is available.",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
    "killed for memory": [
        "Your notebook tried to allocate more memory than is available. It has restarted.",
        "the kernel was killed by SIGKILL (out of memory?)",
        "subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 137.",
        "The process exited with code 137",
        "  exitcode  : -9 (pid: 4711)",
        "  traceback : Signal 9 (SIGKILL) received by PID 4711",
        "RuntimeError: DataLoader worker (pid 91) is killed by signal: Killed. ",
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array",
    ],
    "time limit": [
        "the session's time limit of 60 s was reached",
        "Your notebook was stopped: it exceeded its run time of 60 seconds.",
        "Your notebook was stopped because it exceeded the max allowed execution time.",
        "Notebook Timeout",
        "Your Notebook exceeded the allowed compute time limit.",
        "Kernel timed out",
    ],
}


def test_every_known_failure_has_its_words():
    assert [failure.name for failure in KNOWN] == list(WORDS)


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, list_ in WORDS.items() for words in list_])
def test_the_words_are_known_in_the_message_and_in_the_log(name, words):
    assert diagnose(words, "").name == name
    log = f"devices: 2 GPU(s)\nepoch 1\n{words}\n  next: see the log\n"
    assert diagnose("Your notebook failed: script.py exited with code 1.", log).name == name


@pytest.mark.parametrize(
    "line",
    [
        "devices: 2 GPU(s)",
        '@progress {"epoch": 137, "epochs": 200, "step": 9, "steps": 28, "loss": 0.137}',
        "data: /kaggle/input/datasets/me/mine: 803 training and 200 validation images",
        "Your notebook failed: script.py exited with code 1.",
        "KeyError: 'mask'",
        "  next: on Kaggle, launch with --internet (a session has it only on accounts with a verified phone)",
    ],
)
def test_what_is_no_known_failure(line):
    assert diagnose(line, line) is None


def test_the_last_words_count_and_kaggles_before_the_logs():
    log = "CUDA out of memory, a smaller batch is tried\nOSError: [Errno 28] No space left on device\n"
    assert diagnose("", log).name == "disk full"
    assert diagnose("Notebook Timeout", log).name == "time limit"


def test_the_fixes_flags_exist():
    """Every `--set key=value` of a fix is one that the recipe takes."""
    settings = [text for failure in KNOWN for text in re.findall(r"--set ([\w.]+=\S+?)[,;)]*(?:\s|$)", _fix(failure))]
    assert len(settings) >= 8
    resolve([("--set", dict([parse_setting(text)])) for text in settings])


def _fix(failure):
    return diagnose(WORDS[failure.name][0], "").fix


TRACE = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
ValueError: the first

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "train.py", line 9, in main
    raise RuntimeError("the last")
RuntimeError: the last
words after it
"""


def test_the_last_traceback_is_cut_out():
    assert last_words(TRACE)[0].startswith("Traceback")
    assert last_words(TRACE)[1:] == TRACE.splitlines()[8:11]
    ranked = "".join(f"[rank1]: {line}\n" for line in TRACE.splitlines()[7:11])
    assert last_words(ranked) == ranked.splitlines()
    outer = 'Traceback (most recent call last):\n  File "run.py"\ntorch…errors.ChildFailedError: \n'
    assert last_words(TRACE + outer)[-1] == "RuntimeError: the last"
    assert last_words("a\nerror: no GPU\n  next: get one\n") == ["error: no GPU", "  next: get one"]
    assert last_words("all is well\n") == []


def test_of_a_deep_traceback_the_end_is_shown():
    deep = TRACE.replace("    main()\n", "    main()\n" * 100).split("\nDuring")[0]
    shown = last_words(deep)
    assert len(shown) == TRACE_LINES
    assert shown[-1] == "ValueError: the first"
