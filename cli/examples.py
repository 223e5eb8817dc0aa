"""Examples that the help of each command ends with. The tests parse them all."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "import": (
        "plait import resnet50.onnx -o resnet50.ir",
        "plait import model.onnx -o - --dim N=1",
    ),
    "opt": (
        "plait opt resnet50.onnx -o fused.ir",
        "plait opt model.ir -p 'fold-batchnorm,fuse-activation{kinds=[relu]},dce' --diff",
        "plait opt model.ir -p cse | plait opt - -p dce > out.ir",
        "plait opt model.ir --bisect './check.sh {}'",
    ),
    "reduce": (
        "plait reduce model.onnx --check 'plait opt --load my_pass.py -p my-pass'",
        "plait reduce model.ir --check ./check.sh --match 'error 42' -o small.ir",
    ),
    "quantize": (
        "plait quantize mobilenetv2.onnx --calibrate photos.npz -o mobilenetv2.q8.ir",
        "plait quantize model.onnx --calibrate pictures --mean 127 --std 128 --report",
        "plait quantize model.ir --calibrate samples --keep-float softmax --keep-float 'head.*'",
    ),
    "tune": (
        "plait tune resnet50.onnx -o resnet50.plait",
        "plait tune resnet50.onnx --threads 2 --dim N=1",
        "plait tune model.ir --routine cpu/f32/nhwc --routine '*/naive@0' -o tuned.ir",
    ),
    "select": (
        "plait select problem.json -o solution.json",
        "plait select problem.json --solver greedy --sharing none -v",
        "plait select mobilenetv2.onnx --export problem.json",
        "plait select problem.json --best 5",
        "plait select --check problem.json solution.json",
    ),
    "run": (
        "plait run resnet50.plait --input photo.npy --output-dir out",
        "plait run model.onnx --input image=photo.npy --json",
    ),
    "bench": (
        "plait bench resnet50.plait --threads 2 --runs 100",
        "plait bench resnet50.plait --trace trace.json",
    ),
    "compare": (
        "plait compare resnet50.onnx",
        "plait compare resnet50.plait --max-error 1e-5 --all",
    ),
    "inspect": (
        "plait inspect resnet50.onnx",
        "plait opt resnet50.onnx | plait inspect -",
        "plait inspect resnet50.plait --verify",
    ),
    "routines": (
        "plait routines --layer conv2d",
        "plait routines cpu/f32/nchw16c --json",
    ),
    "layers": (
        "plait layers",
        "plait layers conv2d",
    ),
    "passes": (
        "plait passes",
        "plait passes --load my_pass.py",
    ),
    "solvers": (
        "plait solvers",
        "plait solvers --load my_solver.py",
    ),
    "plugins": ("plait plugins --json",),
    "lsp": ("plait lsp --tcp 7777",),
    "profile": (
        "plait profile ls --model resnet50.onnx --sort median",
        "plait profile show 3fa9c1d2",
        "plait profile merge board.sqlite",
        "plait profile export times.parquet --machine here",
        "plait profile prune --superseded --other-versions --dry-run",
    ),
    "doctor": (
        "plait doctor",
        "plait doctor --threads 1 --json",
    ),
    "worker": (
        "plait worker --self-test 'ssh board plait worker'",
        "plait worker --self-test 'plait worker --cores 0' --json",
    ),
}


def epilog(command: str) -> str:
    """The examples of a command as the end of its help."""
    # \b keeps click from joining the lines.
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in EXAMPLES[command])
