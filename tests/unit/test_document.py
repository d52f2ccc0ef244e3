"""lab.document: hostile files, the core schema, and where things stand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import document
from lab.problems import Problems, listed, nearest


def problems(text: bytes | str) -> list[str]:
    return [str(p) for p in document.parse(text.encode() if isinstance(text, str) else text, "f").problems]


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9))


@pytest.mark.parametrize(("text", "place", "words"), [
    (b"", "f:1:1:", "empty"),
    (b"# only a comment\n", "f:1:1:", "empty"),
    (b"just words", "f:1:1:", "must be a mapping"),
    (b"- a\n- b\n", "f:1:1:", "must be a mapping"),
    (b"a: 1\nb: x\0y", "f:2:5:", "0x00"),
    (bytes(range(256)), "f:3:115:", "not UTF-8"),
    (b"a: 1\nb: \xff\xfe", "f:2:4:", "byte 0xff is not UTF-8"),
    ("a: 1".encode("utf-16"), "f:1:1:", "not UTF-8"),
    (b"\x7fELF\x02\x01\x01", "f:1:1:", "binary"),
    (b"a: " + b"x" * (2 << 20), "f:", "larger than 1024 KiB"),
    (b"a:\n\tb: 1\n", "f:2:1:", "a tab"),
    (b"a:\n  b: 1\n\tc: 2\n", "f:3:1:", "a tab"),
    (b"a: 1\nb: 2\na: 3\n", "f:3:1:", "'a' stands here twice, first in line 1"),
    (b"luns: {0: a, 0x0: b}\n", "f:1:14:", "0 stands here twice"),
    (b"a: 1\n---\nb: 2\n", "f:2:1:", "second document"),
    (b"a: !!python/object/apply:os.system [x]\n", "f:1:4:", "!!python/object/apply:os.system are not allowed"),
    (b"a: " + b"[" * 500, "f:1:43:", "nested more than 40"),
    (b"a: " + b"[" * 100_000, "f:1:", "nested more than 40"),  # how far ahead PyYAML looks depends on its version
    (b"- " * 100_000 + b"x", "f:1:81:", "nested more than 40"),
    (b"a: [" + b"1," * 100_000 + b"]", "f:1:100003:", "more than 50000 values"),
    (LAUGHS.encode(), "f:5:20:", "more than 50000 values once its aliases"),
    (b"a: &a [*a]\n", "f:1:8:", "*a names no anchor"),
    (b"a: *nope\n", "f:1:4:", "*nope names no anchor"),
    (b"a: &a {x: 1}\nb: {<<: *a}\n", "f:2:5:", "merge keys"),
    (b"[a]: 1\n", "f:1:1:", "a key must be text"),
    (b"true: 1\n", "f:1:1:", "a key must be text"),
    (b"a: {b: 1\n", "f:2:1:", "not YAML: while parsing a flow mapping"),
    (b"a: 'x\n", "f:2:1:", "not YAML"),
    (b"a: b: c\n", "f:1:5:", "mapping values are not allowed"),
    (b"%YAML 9.9\n---\na: 1\n", "f:1:1:", "not YAML"),
    (b"a: @x\n", "f:1:4:", "not YAML"),
])
def test_hostile_text_is_one_sentence_with_its_place(text: bytes, place: str, words: str) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert found[0].startswith(place), found
    assert words in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize(("written", "value"), [
    ("true", True), ("False", False), ("yes", "yes"), ("on", "on"), ("off", "off"), ("no", "no"), ("y", "y"),
    ("~", None), ("null", None), ("", None), ("12", 12), ("+5", 5), ("-7", -7), ("0", 0), ("0x1F", 31), ("0o17", 15),
    ("010", "010"), ("00", "00"), ("12:30", "12:30"), ("1_000", "1_000"), ("64M", "64M"), ("2024-01-01", "2024-01-01"),
    ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"),
    ("'12'", "12"), ('"true"', "true"), ("9" * 50, "9" * 50), ("١", "١"), ("=", "="),
])
def test_scalars_follow_the_core_schema(written: str, value: object) -> None:
    read = document.parse(f"a: {written}\n".encode(), "f")
    assert not read.problems
    assert read.value == {"a": value}
    assert type(read.value["a"]) is type(value)


def test_words_that_other_readers_take_for_booleans_are_keys() -> None:
    assert document.parse(b"on: {off: 1, yes: 2, 0: 3}", "f").value == {"on": {"off": 1, "yes": 2, 0: 3}}


def test_places_are_those_of_keys_and_values() -> None:
    read = document.parse("\ufeffa:\n  - x: 1\n    y: [3, ä]\n  - z\nb: {c: 2}\r\n".encode(), "f")
    assert read.place(("a", 0, "y")) == (3, 5)  # a list or mapping is found by its key
    assert read.place(("a", 0, "y", 1)) == (3, 12)
    assert read.place(("a", 0, "x")) == (2, 8)
    assert read.place(("a", 0, "x"), key=True) == (2, 5)
    assert read.place(("a", 1)) == (4, 5)
    assert read.place(("b", "c"), key=True) == (5, 5)
    assert read.place(("b", "missing")) == (5, 1)
    assert read.place(()) == (1, 1)


def test_an_alias_is_its_anchors_value_and_not_shared() -> None:
    value = document.parse(b"a: &x {k: [1]}\nb: *x\n", "f").value
    assert value["a"] == value["b"] == {"k": [1]}
    assert value["a"]["k"] is not value["b"]["k"]


def test_faults_of_the_yaml_do_not_hide_each_other() -> None:
    assert len(problems("a: 1\na: 2\nb: !!str x\nc: *no\n<<: 3\ne: [\n")) == 5


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for path, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "not a regular file"),
                        (tmp_path / "pipe", "not a regular file"), (Path("/dev/zero"), "not a regular file"),
                        (Path("a\0b"), "not the name of a file")):
        with pytest.raises(Problems, match=words) as caught:
            document.read(path)
        assert len(caught.value.problems) == 1


def test_read_gives_the_document_or_all_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")
    assert document.read(path).value == {"a": 1}
    path.write_text("a: 1\na: 2\na: 3\n")
    with pytest.raises(Problems) as caught:
        document.read(path)
    assert str(caught.value).count(f"{path}:") == 2
    assert caught.value.exit_code == 2


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"\n\t #%,?0~", max_size=60).map(str.encode))
def test_any_bytes_are_a_mapping_or_problems(raw: bytes) -> None:
    read = document.parse(raw, "f")
    assert (read.root is not None) or read.problems
    for problem in read.problems:
        assert "\n" not in str(problem)
        assert problem.line >= 1 and problem.column >= 1
    if read.root is not None:
        assert isinstance(read.value, dict)


# JSON is YAML, except for escaped surrogate pairs.
_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
_keys = _text.filter(lambda key: key != "<<")
_json = st.recursive(st.none() | st.booleans() | st.integers(-10**20, 10**20) | _text,
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
                     max_leaves=12)


@given(st.dictionaries(_keys, _json, max_size=5))
def test_json_is_read_as_it_is(value: dict[str, object]) -> None:
    read = document.parse(json.dumps(value).encode(), "f")
    assert not read.problems
    assert read.value == value


def test_nearest_and_listed() -> None:
    assert nearest("queue-dept", ["queue_depth", "size"]) == "queue_depth"
    assert nearest("zzz", ["queue_depth"]) is None
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b or c"
    assert listed([]) == "nothing"
