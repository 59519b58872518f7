"""The parts of the sandbox that are functions of their arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f7tfs.sandbox.coreutils.change import parse_mode
from f7tfs.sandbox.coreutils.content import base64_limit
from f7tfs.sandbox.coreutils.failure import ShellError
from f7tfs.sandbox.faults import Faults, Rule, parse_faults, route_of
from f7tfs.sandbox.jobs.model import SlurmRefused
from f7tfs.sandbox.jobs.sbatch import exported, file_name, parse_script, parse_time
from f7tfs.sandbox.objectstore.claims import CLAIM_LENGTH, Claim, parse_claims, parse_range
from f7tfs.sandbox.quoting import Injected, collapsed, listed_name, single_quoted


@given(st.text(st.characters(exclude_characters="'")))
def test_a_path_without_quotes_reaches_the_command_as_it_is(path: str) -> None:
    assert single_quoted(path) == path


@given(st.text())
def test_escaping_the_quote_makes_every_path_safe(path: str) -> None:
    assert single_quoted(path.replace("'", r"'\''")) == path


@pytest.mark.parametrize("path", ["it's", "'", "a'b'c'd", "/x'y; echo 'z'"])
def test_an_odd_number_of_quotes_is_a_syntax_error(path: str) -> None:
    with pytest.raises(ShellError, match="unexpected EOF"):
        single_quoted(path)


@pytest.mark.parametrize("path", ["a'; echo x; '", "a' 'b", "a'$(id)'", "a'>x'"])
def test_what_would_run_as_shell_code_is_known_as_such(path: str) -> None:
    with pytest.raises(Injected):
        single_quoted(path)


@pytest.mark.parametrize(
    ("name", "c_locale", "utf8"),
    [
        ("plain name", "plain name", "plain name"),
        ("é", r"\303\251", "é"),
        ("a\nb\tc\x01", r"a\nb\tc\001", r"a\nb\tc\001"),
        ('q"u\\o', 'q"u\\o', 'q"u\\o'),
        ("\udcff", r"\377", r"\377"),
        ("\x7f", r"\177", r"\177"),
    ],
)
def test_names_are_listed_as_the_locale_allows(name: str, c_locale: str, utf8: str) -> None:
    assert listed_name(name, utf8=False) == c_locale
    assert listed_name(name, utf8=True) == utf8


def test_runs_of_blanks_become_one() -> None:
    assert collapsed("/a  b/c   d e") == "/a b/c d e"


def test_the_largest_download_is_the_one_measured() -> None:
    assert base64_limit(5 * 1024 * 1024) == 3932157


@given(st.integers(min_value=5, max_value=10_000))
def test_the_base64_limit_is_exact(limit: int) -> None:
    largest = base64_limit(limit)
    assert 4 * -(-largest // 3) < limit <= 4 * -(-(largest + 1) // 3)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("755", 0o640, 0o755),
        ("u+x", 0o640, 0o740),
        ("g+w,o-r", 0o604, 0o620),
        ("a=r", 0o777, 0o444),
        ("+x", 0o600, 0o711),
        ("go=", 0o777, 0o700),
        ("u+s", 0o755, 0o4755),
        ("a+X", 0o644, 0o644),
    ],
)
def test_modes_change_as_chmod_would(text: str, old: int, new: int) -> None:
    assert parse_mode(text, old, directory=False) == new


@pytest.mark.parametrize("text", ["", "zz", "888", "u+q", "12345"])
def test_other_modes_are_none(text: str) -> None:
    assert parse_mode(text, 0o644, directory=False) is None


def test_directives_are_read_up_to_the_first_command() -> None:
    script = "#!/bin/sh\n#SBATCH --job-name=one -o out\n# note\n\n#SBATCH -t 5 --exclusive\necho\n#SBATCH -J two\n"
    options = parse_script(script)
    assert (options.get("job-name"), options.get("output"), options.get("time")) == ("one", "out", "5")


@pytest.mark.parametrize("script", ["echo\n", "", "#!/bin/sh\n#SBATCH --nonsense=1\n"])
def test_a_bad_script_is_refused_in_the_words_of_sbatch(script: str) -> None:
    with pytest.raises(SlurmRefused, match=r"^sbatch: "):
        parse_script(script)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 300), ("1:30", 90), ("1:00:00", 3600), ("1-0", 86400), ("1-2:03", 93780), ("0-00:15:00", 900)],
)
def test_time_limits(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


def test_a_bad_time_limit_is_refused() -> None:
    with pytest.raises(SlurmRefused, match="Invalid --time"):
        parse_time("soon")


def test_output_patterns() -> None:
    assert file_name("o-%4j-%x-%%.txt", "/home/u/", "12", "name", "u") == "/home/u/o-  12-name-%.txt".replace(
        "  12", "0012"
    )
    assert file_name("/abs/%u", "/home/u", "12", "name", "u") == "/abs/u"


def test_a_comma_ends_an_exported_value() -> None:
    assert exported({"FOO": "b a,r", "X": "1"}) == {"FOO": "b a", "X": "1"}


def test_an_object_is_a_row_of_claims() -> None:
    claims = [Claim("0" * 32, 5), Claim("f" * 32, 10**12)]
    body = b"".join(claim.text for claim in claims)
    assert len(body) == 2 * CLAIM_LENGTH
    assert parse_claims(body) == claims
    assert parse_claims(body[:-1] + b"x") is None


@pytest.mark.parametrize(
    ("header", "result"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=8-99", (8, 10)),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
    ],
)
def test_ranges(header: str | None, result: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == result


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=7-3"])
def test_a_range_outside_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        parse_range(header, 10)


def test_a_rule_is_used_up() -> None:
    faults = Faults(rules=[Rule(match="^GET .*ls", count=1, status=500)])
    assert faults.take_rule("POST /v2/ls") is None
    assert faults.take_rule("GET /v2/ls") is not None
    assert faults.take_rule("GET /v2/ls") is None


@pytest.mark.parametrize("value", [{"nonsense": 1}, {"rules": [{"match": "("}]}, {"quota_error": "EIO"}])
def test_bad_faults_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_faults(value)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2/filesystem/daint/ops/ls", "/v2/filesystem/{system}/ops/ls"),
        ("/v2/compute/daint/jobs/12/metadata", "/v2/compute/{system}/jobs/{job}/metadata"),
        ("/v2/status/systems", "/v2/status/systems"),
        ("/v2/status/daint/userinfo", "/v2/status/{system}/userinfo"),
        ("/v1/tasks/abc", "/v1/tasks/{task}"),
        ("/v1/compute/jobs/upload", "/v1/compute/jobs/upload"),
        ("/v1/compute/jobs/12", "/v1/compute/jobs/{job}"),
        ("/v1/utilities/ls", "/v1/utilities/ls"),
    ],
)
def test_calls_of_one_kind_count_together(path: str, route: str) -> None:
    assert route_of(path) == route
