"""Which names each version carries exactly."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f7tfs.cluster.errors import InvalidName
from f7tfs.cluster.names import (
    check_v1,
    check_v2,
    check_v2_job,
    check_v2_new,
    check_v2_upload,
    is_plain,
    quote_v2,
    survives_template,
)

ODD = ["/a b", "/-x", "/a$b", "/a`b", "/a\\b", '/a"b', "/a*?[b", "/日本", "/ lead", "/trail "]


@pytest.mark.parametrize("path", [*ODD, "/it's", "/new\nline", "/tab\t", "/a  b", "/a&b"])
def test_v2_carries_any_utf8_in_calls(path: str) -> None:
    check_v2(path)


@pytest.mark.parametrize("path", ["/nul\0", "/latin1-\udce9"])
@pytest.mark.parametrize("check", [check_v1, check_v2, check_v2_job, check_v2_new, check_v2_upload])
def test_no_version_carries_what_is_not_utf8(check: object, path: str) -> None:
    assert callable(check)
    with pytest.raises(InvalidName):
        check(path)


def test_v2_uploads_to_no_name_with_a_line_end_but_into_such_a_directory() -> None:
    check_v2_upload("/di\nr/f")
    with pytest.raises(InvalidName):
        check_v2_upload("/dir/f\n")


@pytest.mark.parametrize("name", ["tab\there", "line\nend", "\x1b[1m", "del\x7f", r"caf\303\251"])
def test_v2_makes_nothing_that_its_listings_show_as_another(name: str) -> None:
    with pytest.raises(InvalidName):
        check_v2_new(f"/dir/{name}")
    check_v2_new(f"/{name}/what is below")


@pytest.mark.parametrize("path", [*ODD, "/it's", "/a  b", "/a&b", r"/back\tslash", r"/a\351", "/\u202e"])
def test_v2_makes_the_rest(path: str) -> None:
    check_v2_new(path)


@pytest.mark.parametrize("character", "\n\r")
def test_v2_jobs_refuse_a_line_end(character: str) -> None:
    with pytest.raises(InvalidName):
        check_v2_job(f"/a{character}b")


@pytest.mark.parametrize("path", ["/a b", "/a$b", "/日本", "/a`b", "/it's", "/a & b"])
def test_v2_jobs_take_the_rest(path: str) -> None:
    check_v2_job(path)
    assert survives_template(path) == (not set(path) & set("&'<>\""))


@pytest.mark.parametrize("character", list("<>|;\"'&\\()`\n\t\x01"))
def test_v1_refuses_its_characters(character: str) -> None:
    with pytest.raises(InvalidName):
        check_v1(f"/a{character}b")


@pytest.mark.parametrize("path", ["/a  b", "/a   b/c", "/  x"])
def test_v1_refuses_several_blanks_in_a_row(path: str) -> None:
    with pytest.raises(InvalidName, match="one blank"):
        check_v1(path)


@pytest.mark.parametrize("path", ["/a b", "/-x", "/$ * ? # % + , ~ = ! [ ] { }", "/ lead", "/trail ", "/日本"])
def test_v1_takes_the_rest(path: str) -> None:
    check_v1(path)


@pytest.mark.parametrize("path", ["/a b", "/a,b", "/a$b", "/é", "/a;b", "/a*"])
def test_what_a_script_may_get_wrong_is_not_plain(path: str) -> None:
    assert not is_plain(path)
    assert is_plain("/home/user/A-b_c.1+2@3")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_path_is_one_word_for_the_servers_shell(path: str) -> None:
    assert shlex.split(f"'{quote_v2(path)}'") == [path]
