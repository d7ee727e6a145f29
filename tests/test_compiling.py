"""torch.compile in a run: it is asked for, and where it cannot work the run says so in a sentence."""

from tests.programs import TINY, given, program_in

SMALL = given(
    {
        "model.architecture": "plain_unet",
        "model.weights": "none",
        "model.decoder_channels": "auto",
        "model.depth": 1,
        "model.width": 2,
        "train.compile": "true",
    }
)


def test_a_machine_without_a_compiler(tmp_path, cache):
    program = program_in(tmp_path, cache)
    program.environment.update(CXX="/nowhere/g++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "compiled"))
    done = program("launch.py", *TINY, *SMALL, code=1)
    assert "error: train.compile = true: torch could not compile the model here: InvalidCxxCompiler" in done.stderr
    assert "next: --set train.compile=false" in done.stderr
