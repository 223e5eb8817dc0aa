"""Packages: bytes in, bytes out, and every kind of damage."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest

from plait.backends.build import build
from plait.backends.errors import PackageError
from plait.backends.package import Package, open_package
from plait.backends.package_writer import Plan, save_package
from plait.backends.program import Program
from plait.backends.program_check import verify_programs
from plait.backends.runner import Runner
from plait.backends.stored import store
from plait.ir.diagnostics import IRError
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.kernels_pyx import isa_level

SEED = 3
KEYS = ("cpu-avx2-00000000-t1", "cpu-avx2-00000000-t2")
REPORT = {"predicted_us": 12.5, "rows": [{"name": "ä"}]}
RUN = """
import sys, numpy as np
from plait.backends.package import open_package
from plait.backends.program import Program
from plait.backends.program_check import verify_programs
from plait.backends.runner import Runner
from plait.backends.stored import store
runner = Runner(open_package(sys.argv[1]).module(sys.argv[2]))
sys.stdout.buffer.write(b"".join(o.tobytes() for o in runner.run(**runner.random_inputs(7)).values()))
"""


def plan(seed: int, threads: int = 1) -> Plan:
    module = networks.tuned(seed)
    return Plan(module, REPORT, store(build(module, threads)))


def save(path: Path, seed: int = SEED) -> None:
    save_package(path, {key: plan(seed, threads) for threads, key in enumerate(KEYS, 1)}, producer="test 1")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "net.plait"
    save(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose bytes are few."""
    module = parse_module(
        "ir 1\nnet @main(%x: f32[20]) -> (%y: f32[20]) {\n  %y = relu(%x) via cpu/f32/nchw/vector\n}\n"
    )
    weight = module.add_constant("w", np.arange(20, dtype=np.float32))
    (layer,) = module.main
    module.main.body.replace(layer, type(layer)(weight, via=layer.via))
    path = tmp_path_factory.mktemp("package") / "small.plait"
    save_package(path, {"k": Plan(module, {}, store(build(module)))}, producer="test 1", machines={"k": "any"})
    return path


def damage(path: Path) -> str:
    with pytest.raises(PackageError) as caught:
        open_package(path).verify()
    (found,) = caught.value.diagnostics
    assert (found.code, found.where) == ("P402", str(path))
    return found.message


def rewritten(source: Path, target: Path, *, compress: int = zipfile.ZIP_STORED, **changes: bytes | None) -> Path:
    """The package with members changed (`manifest_json` stands for manifest.json; None: left out)."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compress) as new:
        for name in old.namelist():
            data = changes.get(name.replace(".", "_").replace("/", "_"), old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


def manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("manifest.json")))


# --- what is kept ---


def test_round_trip(saved: Path) -> None:
    package = open_package(saved)
    package.verify()
    assert package.plans == KEYS
    for key in KEYS:
        assert package.module(key) == parse_as_in_package(networks.tuned(SEED))
        assert package.report(key) == REPORT
    assert package.manifest["producer"] == "test 1"


def parse_as_in_package(module: Module) -> Module:
    twin = module.clone()
    twin.weights_file = "weights.safetensors"
    return twin


def test_results_are_the_same_bit_for_bit_in_another_process(saved: Path) -> None:
    runner = Runner(networks.tuned(SEED))
    wanted = b"".join(o.tobytes() for o in runner.run(**runner.random_inputs(7)).values())
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(saved), KEYS[0]], capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(wanted) > 0 and done.stdout == wanted


def test_equal_content_gives_equal_bytes(saved: Path, tmp_path: Path) -> None:
    save(tmp_path / "again.plait")
    assert (tmp_path / "again.plait").read_bytes() == saved.read_bytes()
    save(tmp_path / "other.plait", seed=4)
    assert (tmp_path / "other.plait").read_bytes() != saved.read_bytes()


def test_saving_does_not_change_the_module(tmp_path: Path) -> None:
    before = str(networks.tuned(SEED))
    save(tmp_path / "x.plait")
    assert str(networks.tuned(SEED)) == before


def test_saving_replaces_the_file_at_once(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.plait"
    path.write_bytes(b"something else")
    broken = {"k": Plan(networks.tuned(SEED), {"not": object()})}
    with pytest.raises(TypeError):
        save_package(path, broken, producer="test")
    assert path.read_bytes() == b"something else"
    save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.plait"]
    assert path.read_bytes() == saved.read_bytes()


def test_members_are_stored_on_pages(saved: Path) -> None:
    data = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert len(archive.infolist()) == 9
        for info in archive.infolist():
            head = data[info.header_offset : info.header_offset + 30]
            start = (
                info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            )
            assert (start % 4096, info.compress_type) == (0, zipfile.ZIP_STORED)
            assert data[start : start + info.file_size] == archive.read(info)


def test_weights_are_mapped_and_aligned(saved: Path) -> None:
    module = open_package(saved).module(KEYS[0])
    large = [c for c in module.constants.values() if c.type.elements > 16]
    assert large
    for constant in large:
        assert constant.data.ctypes.data % 64 == 0
        assert not constant.data.flags.owndata and not constant.data.flags.writeable


def test_the_manifest_names_the_hash_of_every_member(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        hashes = {n: hashlib.sha256(archive.read(n)).hexdigest() for n in archive.namelist() if n != "manifest.json"}
    found = manifest(saved)
    assert found == {"format": 1, "producer": "test 1", "plans": list(KEYS), "machines": {}, "members": hashes}


def test_different_constants_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different constants @"):
        save_package(
            tmp_path / "x.plait", {"a": Plan(networks.tuned(3), {}), "b": Plan(networks.tuned(4), {})}, producer="test"
        )
    assert not list(tmp_path.iterdir())


def test_no_such_plan(saved: Path) -> None:
    package = open_package(saved)
    with pytest.raises(PackageError, match=r"error\[P402\]: the package has no plans/cpu-x.ir"):
        package.module("cpu-x")
    with pytest.raises(PackageError, match=r"error\[P402\]: the package has no reports/cpu-x.json"):
        package.report("cpu-x")


# --- programs ---


def test_a_program_runs_like_its_plan_bit_for_bit(saved: Path) -> None:
    package = open_package(saved)
    for threads, key in enumerate(KEYS, 1):
        program = package.program(key)
        assert program is not None and program.threads == threads
        opened, lowered = Runner(lambda: None, executable=program), Runner(package.module(key), threads)  # type: ignore[arg-type,return-value]
        inputs = lowered.random_inputs(7)
        wanted, found = lowered.run(**inputs), opened.run(**inputs)
        assert list(found) == list(wanted)
        assert [a.tobytes() for a in found.values()] == [a.tobytes() for a in wanted.values()]
        assert opened.program.executable.inputs == lowered.program.executable.inputs
    assert verify_programs(package) == KEYS


def test_constants_of_a_program_are_mapped_and_those_of_two_are_shared(saved: Path) -> None:
    package = open_package(saved)
    programs = [package.program(key) for key in KEYS]
    places = []
    for program in programs:
        assert program is not None
        for constant in program.constants:
            assert constant.ctypes.data % 64 == 0 and not constant.flags.writeable and not constant.flags.owndata
        places.append({c.tobytes(): c.size for c in program.constants})
    distinct = places[0] | places[1]
    size = sum(-(-n // 64) * 64 for n in distinct.values())
    assert len(package.members["packed.bin"].data) == size < sum(sum(p.values()) for p in places)


def test_programs_do_not_copy_constants(saved: Path) -> None:
    package = open_package(saved)
    program = package.program(KEYS[0])
    assert program is not None
    plan = Program(program)._plan
    mapped = np.frombuffer(package.members["packed.bin"].data, np.uint8)
    begin, end = mapped.ctypes.data, mapped.ctypes.data + mapped.nbytes
    assert all(begin <= plan.add_constant(c).offset < end for c in program.constants)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kernels": "0123456789abcdef"}, "it is for other kernels"),
        ({"isa": "mmx"}, f"it is for mmx, this process uses {isa_level()}"),
        ({"schema": "program/0"}, "it has another format"),
        ({"plan": 1}, "the plan was changed"),
    ],
)
def test_a_program_for_something_else_is_left_alone(
    saved: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    package = open_package(reprogrammed(saved, tmp_path / "x.plait", change))
    assert package.why_no_program(KEYS[0]) == reason and package.program(KEYS[0]) is None
    assert package.why_no_program(KEYS[1]) == "" and package.program(KEYS[1]) is not None
    assert verify_programs(package) == KEYS[1:]
    # Programs for other machines go on into packages that replace this one; what fits no plan does not.
    assert (package.stored(KEYS[0]) is None) == ("plan" in change or "schema" in change)


def reprogrammed(source: Path, target: Path, change: dict[str, object]) -> Path:
    """The package with entries of its first program changed, and right hashes."""
    name = f"programs/{KEYS[0]}.json"
    with zipfile.ZipFile(source) as archive:
        text = json.dumps({**json.loads(archive.read(name)), **change}).encode()
    members = {**manifest(source)["members"], name: hashlib.sha256(text).hexdigest()}
    stated = json.dumps({**manifest(source), "members": members}).encode()
    return rewritten(source, target, manifest_json=stated, **{name.replace(".", "_").replace("/", "_"): text})


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 3},
        {"steps": [["f32_fill"]]},
        {"inputs": [[]]},
        {"outputs": [["y", "f32[1]", "strange", [1], [1]]]},
        {"constants": [[0, 1 << 40]]},
        {"constants": [[32, 64]]},
        {"constants": [[-64, 64]]},
        {"constants": "x"},
    ],
)
def test_malformed_programs(saved: Path, tmp_path: Path, change: dict[str, object]) -> None:
    package = open_package(reprogrammed(saved, tmp_path / "x.plait", change))
    with pytest.raises(PackageError, match=f"P402.*the program of {KEYS[0]} is malformed"):
        package.program(KEYS[0])


def test_a_program_that_is_not_what_the_ir_is_lowered_to(saved: Path, tmp_path: Path) -> None:
    package = open_package(reprogrammed(saved, tmp_path / "x.plait", {"arena": 1 << 30}))
    package.verify()
    with pytest.raises(PackageError, match=f"the program of {KEYS[0]} is not what its IR is lowered to"):
        verify_programs(package)


def test_layers_in_python_have_no_program(tmp_path: Path) -> None:
    module = networks.tuned(SEED, "reference")
    assert store(build(module)) is None
    save_package(tmp_path / "x.plait", {"k": Plan(module, {})}, producer="test 1")
    package = open_package(tmp_path / "x.plait")
    assert "packed.bin" not in package.members
    assert package.program("k") is None and package.why_no_program("k") == "none is stored"


# --- damage ---


def test_absent(tmp_path: Path) -> None:
    assert damage(tmp_path / "none.plait") == "cannot be read as a package: No such file or directory"


@pytest.mark.parametrize("data", [b"", b"PK", b"hello, this is no ZIP file" * 10, bytes(5000)])
def test_not_a_zip_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.plait").write_bytes(data)
    assert damage(tmp_path / "x.plait").startswith("cannot be read as a package: ")


def test_another_zip_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.plait", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert damage(tmp_path / "x.plait") == "it has no readable manifest"


def test_truncated_anywhere(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    path = tmp_path / "x.plait"
    for length in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        assert damage(path)


def test_every_flipped_bit_is_found_or_does_not_matter(small: Path, tmp_path: Path) -> None:
    """Flips in padding and in fields of the ZIP format that nobody reads leave the content as it is."""
    data = small.read_bytes()
    good = content(open_package(small))
    path = tmp_path / "x.plait"
    rng = np.random.default_rng(5)
    filled = [i for i, byte in enumerate(data) if byte]
    refused = 0
    for at in [*filled, *rng.integers(0, len(data), 200).tolist()]:
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            package = open_package(path)
            package.verify()
        except PackageError as error:
            assert error.code == "P402"
            refused += 1
            continue
        assert content(package) == good, f"byte {at}"
    assert refused > 0.75 * len(filled)


def content(package: Package) -> tuple[object, ...]:
    module = package.module("k")
    program = package.program("k")
    assert program is not None
    return (
        str(module),
        [c.data.tobytes() for c in module.constants.values()],
        package.report("k"),
        package.manifest,
        program._replace(constants=()),
        [c.tobytes() for c in program.constants],
    )


def test_flipped_weights_are_found_by_verify(saved: Path, tmp_path: Path) -> None:
    data = bytearray(saved.read_bytes())
    module = open_package(saved).module(KEYS[0])
    large = max((c for c in module.constants.values()), key=lambda c: c.type.elements)
    at = bytes(data).rindex(large.data.tobytes())  # the last member; packed.bin may have the same bytes
    data[at + 5] ^= 4
    path = tmp_path / "x.plait"
    path.write_bytes(data)
    assert open_package(path).module(KEYS[0])
    assert damage(path) == "member weights.safetensors does not have the hash that the manifest states"


def test_changed_plan(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "x.plait", **{f"plans_{KEYS[0]}_ir": b"ir 1\n"})
    package = open_package(path)
    assert package.why_no_program(KEYS[0]) == "the plan was changed" and package.program(KEYS[0]) is None
    with pytest.raises(PackageError, match=f"member plans/{KEYS[0]}.ir does not have the hash"):
        package.module(KEYS[0])


def test_missing_member(saved: Path, tmp_path: Path) -> None:
    assert (
        damage(rewritten(saved, tmp_path / "x.plait", weights_safetensors=None))
        == "member weights.safetensors is missing"
    )


def test_added_member(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "x.plait")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("plans/other.ir", "ir 1\n")
    assert damage(path) == "member plans/other.ir is not in the manifest"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_doubled_member(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "x.plait")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights.safetensors", b"")
    assert damage(path) == "member weights.safetensors is damaged"


def test_compressed_member(saved: Path, tmp_path: Path) -> None:
    assert (
        damage(rewritten(saved, tmp_path / "x.plait", compress=zipfile.ZIP_DEFLATED))
        == "member manifest.json is compressed"
    )


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_version(saved: Path, tmp_path: Path, version: object) -> None:
    text = json.dumps({**manifest(saved), "format": version}).encode()
    assert (
        damage(rewritten(saved, tmp_path / "x.plait", manifest_json=text))
        == f"the package has format {version}, this is for format 1"
    )


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b'"x"', b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_unreadable_manifest(saved: Path, tmp_path: Path, text: bytes) -> None:
    assert damage(rewritten(saved, tmp_path / "x.plait", manifest_json=text)) == "it has no readable manifest"


@pytest.mark.parametrize(
    "change", [{"members": []}, {"plans": "x"}, {"members": {"weights.safetensors": 3}}, {"plans": [3]}]
)
def test_malformed_manifest(saved: Path, tmp_path: Path, change: dict[str, object]) -> None:
    text = json.dumps({**manifest(saved), **change}).encode()
    assert damage(rewritten(saved, tmp_path / "x.plait", manifest_json=text)) == "its manifest is malformed"


def test_weights_that_do_not_fit_the_plan(tmp_path: Path, small: Path) -> None:
    """Hashes are right, the content is not: reading the plan says so."""
    weights = b"\x00" * 64
    members = {**manifest(small)["members"], "weights.safetensors": hashlib.sha256(weights).hexdigest()}
    text = json.dumps({**manifest(small), "members": members}).encode()
    package = open_package(rewritten(small, tmp_path / "x.plait", manifest_json=text, weights_safetensors=weights))
    with pytest.raises(IRError, match="P007"):
        package.module("k")
