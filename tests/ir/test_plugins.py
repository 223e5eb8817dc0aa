"""The loader of plug-ins and the registry class, in this process; `tests/plugins` uses them from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plait.ir import plugins
from plait.ir.named_registry import Registry
from plait.ir.plugins import PluginError, PluginWarning, describe, environment, load_file, origin_of, owner

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes a distribution with one module of the same name, found by this process until the test ends."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("plait.ir.named_registry._told", set())

    def make(name: str, text: str, entry_points: str) -> Path:
        (tmp_path / f"{name}.py").write_text(text)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        plugins.refresh()
        return tmp_path / f"{name}.py"

    yield make
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    monkeypatch.undo()
    plugins.refresh()


@pytest.fixture(autouse=True)
def own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the files that another one loaded."""
    monkeypatch.setattr(plugins, "_files", {})
    monkeypatch.setattr(plugins, "_shown", {})
    monkeypatch.setattr(plugins, "report", plugins._warn)
    monkeypatch.delenv(plugins.VARIABLE, raising=False)


def registry(by_import: bool = False) -> Registry[object]:
    return Registry(
        "word",
        "plait.words",
        {"join": "os.path:join"},
        by_import=by_import,
        problem=lambda name, thing: "it is None" if thing is None else "",
    )


def message(error: PluginError) -> str:
    return error.diagnostics[0].message


def test_names_import_nothing(install: Install) -> None:
    install("lazy", "word = 'hello'\nnothing = None\n", "[plait.words]\nhello = lazy:word\nnil = lazy:nothing\n")
    words = registry()
    assert words.names() == ("join", "hello", "nil") and "lazy" not in sys.modules
    assert words.find("join") is __import__("os").path.join
    assert words.find("hello") == "hello" and words.find("other") is None
    assert words.owner("hello") == "lazy 1.0" and words.origin("hello") == "lazy:word"
    with pytest.raises(PluginError, match=r"plug-in 'nil' \(plait.words\) of lazy 1.0 cannot be loaded: it is None"):
        words.find("nil")
    with pytest.warns(PluginWarning, match="it is None"):
        assert list(words.all()) == ["join", "hello"]
    assert list(words.all()) == ["join", "hello"]  # and no second warning


def test_an_import_that_fails_is_tried_once(install: Install) -> None:
    file = install("fails", "import fails_not\n", "[plait.words]\na = fails\nb = fails:x\n")
    words = registry()
    with pytest.raises(PluginError, match="No module named 'fails_not'") as caught:
        words.find("a")
    span = caught.value.diagnostics[0].span
    assert span is not None and (span.file, span.line) == (str(file), 1)
    file.write_text("x = 1\n")
    with pytest.raises(PluginError, match="No module named 'fails_not'"):
        words.find("b")
    plugins.refresh()
    assert registry().find("b") == 1


def test_modules_that_register_what_they_have(install: Install) -> None:
    words = registry(by_import=True)
    sys.modules["plait_words_of_a_test"] = type(sys)("plait_words_of_a_test")
    sys.modules["plait_words_of_a_test"].add = words.add  # type: ignore[attr-defined]
    head = "from plait_words_of_a_test import add\n"
    try:
        install("one", f"{head}add('mine', 1, 'one:mine')\n", "[plait.words]\none = one\n")
        install("two", f"{head}add('mine', 2, 'two:mine')\n", "[plait.words]\ntwo = two\n")
        install("six", "oops\n", "[plait.words]\nsix = six\n")
        install("new", "oops\n", "[plait.words]\nnew = new\n[plait.api]\n7 = new\n")
        with pytest.warns(PluginWarning) as caught:
            assert dict(words.loaded()) == {"mine": 1}
    finally:
        del sys.modules["plait_words_of_a_test"]
    assert sorted(str(w.message).split(" (")[0] for w in caught) == [
        "plug-in 'new'",
        "plug-in 'six'",
        "word 'mine' is registered by both one:mine",
    ]
    with pytest.raises(PluginError, match=r"registered by both one:mine \(one 1.0\) and two:mine \(two 1.0\)") as clash:
        words.find("mine")
    assert clash.value.taken == ("word", "mine") and clash.value.code == "P602"
    with pytest.raises(PluginError, match="NameError: name 'oops' is not defined"):
        words.find("six")
    with pytest.raises(PluginError, match="is for version 7 of the plug-in interface, plait has 1") as version:
        words.find("new")
    assert version.value.code == "P603"


def test_one_name_for_one_party(install: Install) -> None:
    install("lazy", "word = 1\n", "[plait.words]\nhello = lazy:word\njoin = lazy:word\n")
    words = registry()
    words.add("mine", 1, "here:mine")
    words.add("mine", 2, "here:mine")  # once more
    assert words.find("mine") == 2
    words.find("hello")
    words.add("hello", 3, "lazy.inner:word")  # the module behind the entry point
    assert words.find("hello") == 3
    for name, taken in (("mine", "here:mine"), ("hello", "lazy.inner:word")):
        with pytest.raises(PluginError, match=f"word '{name}' is registered by both {taken}.* and there:x"):
            words.add(name, 4, "there:x")
    with pytest.raises(PluginError, match=r"both os.path:join and lazy:word \(lazy 1.0\)"):
        words.find("join")
    other = words.copy()
    other.add("other", 5, "here:other")
    assert "other" in other.names() and "other" not in words.names()


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("def f():\n    pass\ntimes = globals().get('times', 0) + 1\n")
    bad.write_text("x = 1\nraise ValueError\n")
    load_file("good.py")
    load_file(good)
    (name,) = (n for n in sys.modules if n.endswith("_good") and n.startswith("plait_loaded_"))
    function = sys.modules[name].f
    assert owner(origin_of(function)) == "good.py" and describe(origin_of(function)) == "f in good.py"
    assert environment() == {"PLAIT_LOAD": str(good)} and sys.modules[name].times == 1
    monkeypatch.setenv("PLAIT_LOAD", "bad.py")
    words = registry()
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            words.names()
        assert str(caught.value).startswith("bad.py:2:1: error[P601]: the file cannot be loaded: ValueError\n")
    monkeypatch.setenv("PLAIT_LOAD", "")
    assert words.names() == ("join",)
    del sys.modules[name]


def test_findings_in_a_file(tmp_path: Path) -> None:
    cases = {
        "from plait.ir.text import parse_module\nparse_module('ir 2')\n": ["P601", "P005"],
        "def f(:\n": ["P601"],
        "# coding: nope\n": ["P601"],
    }
    for number, (text, codes) in enumerate(cases.items()):
        path = tmp_path / f"case{number}.py"
        path.write_text(text)
        with pytest.raises(PluginError) as caught:
            load_file(path)
        assert [d.code for d in caught.value.diagnostics] == codes
    with pytest.raises(PluginError, match="cannot be read: No such file"):
        load_file(tmp_path / "none.py")


def test_owners(install: Install) -> None:
    install("lazy", "", "[plait.words]\nhello = lazy.words:word\n")
    assert owner("plait.ir.layers.conv:Conv2d") == "plait" and owner("lazy.other:x") == "lazy 1.0"
    assert describe("elsewhere:x") == "elsewhere:x" and describe("plait.a:b") == "plait.a:b (built in)"
    assert [p.title for p in plugins.plugins("plait.words")] == ["plug-in 'hello' (plait.words) of lazy 1.0"]
