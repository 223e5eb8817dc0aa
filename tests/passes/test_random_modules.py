"""Passes on random modules with all that the language has: valid, idempotent, true about changes, equal numbers."""

from __future__ import annotations

import pytest

from plait.ir.verify import verify
from plait.passes.manager import PassManager, run_pipeline
from plait.passes.pipeline import Pipeline
from plait.testing.equivalence import assert_equivalent
from plait.testing.random_modules import COMPUTABLE, random_module

PASSES = [
    "strip-locations",
    "cancel-adapts",
    "nest-concat",
    "sink-layout",
    "cse",
    "dce{entries=main}",
    "fold-constants{unroll=3}",
    "inline",
    "outline{block=3}",
    "canonical",
    "default",
    "simplify-clamps",
    'on{nets=[main],pipeline="inline,cse,dce"}',
    "convert-dtype{to=f64}",
]
LAYERS = {"nest-concat": 40}
"""What a pass looks for is rare in small modules."""
HALF = ["convert-dtype{to=f16,keep=softmax}", "convert-dtype{to=bf16,io=convert}"]


@pytest.mark.parametrize("pipeline", [*PASSES, *HALF])
def test_everything(pipeline: str) -> None:
    changes, layers = 0, LAYERS.get(pipeline, 12)
    for seed in range(40):
        module = random_module(seed, layers)
        # Opaque layers are not valid for the manager; the verifier can be told to accept them.
        manager = PassManager(Pipeline.parse(pipeline), verify=False, check_changed=True)
        changes += manager.run(module)
        verify(module, allow_unknown=True)
        assert not manager.run(module), f"seed {seed}"
    assert changes, "the modules have something to change"


def test_out_and_in_again() -> None:
    for seed in range(20):
        module = random_module(seed, 12, COMPUTABLE)
        before = module.clone()
        run_pipeline("inline", module)
        assert run_pipeline("outline{block=2},inline,dce{entries=main}", module)
        assert list(module.functions) == ["main"]
        assert_equivalent(module, before)


@pytest.mark.parametrize("pipeline", PASSES)
def test_numbers(pipeline: str) -> None:
    for seed in range(45):
        module = random_module(seed, 12, COMPUTABLE)
        before = module.clone()
        PassManager(Pipeline.parse(pipeline), check_changed=True).run(module)
        assert_equivalent(module, before)
