"""What the official client offers is here by the same names, parameters and defaults; what is not has a reason."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import firecrest
import pytest

import f7tfs.firecrest as f7t
from tests.client import test_official_v1, test_official_v2

_V2 = {"": sys.modules["firecrest.v2._sync.Client"], "Async": sys.modules["firecrest.v2._async.Client"]}
PAIRS = {
    "v1": (firecrest.v1.Firecrest, f7t.v1.Firecrest),
    "v1 asynchronous": (firecrest.v1.AsyncFirecrest, f7t.v1.AsyncFirecrest),
    "v1 upload": (firecrest.v1.ExternalUpload, f7t.v1.ExternalUpload),
    "v1 upload asynchronous": (firecrest.v1.AsyncExternalUpload, f7t.v1.AsyncExternalUpload),
    "v1 download": (firecrest.v1.ExternalDownload, f7t.v1.ExternalDownload),
    "v1 download asynchronous": (firecrest.v1.AsyncExternalDownload, f7t.v1.AsyncExternalDownload),
    "v2": (firecrest.v2.Firecrest, f7t.v2.Firecrest),
    "v2 asynchronous": (firecrest.v2.AsyncFirecrest, f7t.v2.AsyncFirecrest),
    "v2 upload": (_V2[""].ExternalUpload, f7t.v2.ExternalUpload),
    "v2 upload asynchronous": (_V2["Async"].AsyncExternalUpload, f7t.v2.AsyncExternalUpload),
    "v2 download": (_V2[""].ExternalDownload, f7t.v2.ExternalDownload),
    "v2 download asynchronous": (_V2["Async"].AsyncExternalDownload, f7t.v2.AsyncExternalDownload),
}
# What is not here, on purpose. The reference has the same table for users.
LEFT_OUT = {
    "log": "this library logs by `logging`, as any other: its logger is `f7tfs.firecrest`",
    "TOO_MANY_REQUESTS_CODE": "a constant of its inside, 429",
    "TIMEOUT_STR": "a constant of its inside",
    "MAX_S3_CONNECTIONS": "a constant of its inside",
    "client": "a blocking transfer stands for an asynchronous one, which has the asynchronous client",
    "wormhole_code": "only object storage is used for large files",
    "send_file_wormhole": "only object storage is used for large files",
    "receive_file_wormhole": "only object storage is used for large files",
    "upload_file_streamer": "only object storage is used for large files",
    "download_file_streamer": "only object storage is used for large files",
    "wait_for_streamer_job_to_listen": "only object storage is used for large files",
}
# Defaults that differ, on purpose.
OTHER_DEFAULTS = {
    ("v1", "__init__", "verify"): "None means True in the official client, too",
}
# Names of the package that are not here.
NOT_HERE = {
    "__version__": "`f7tfs.__version__`",
    "__app_name__": "of its command line",
}
IDS = list(PAIRS)


def public(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize("pair", IDS)
def test_each_public_name_is_here(pair: str) -> None:
    theirs, ours = PAIRS[pair]
    # Attributes that instances get when they are made count, too.
    source = inspect.getsource(sys.modules[ours.__module__])
    missing = {name for name in public(theirs) if not hasattr(ours, name) and f"self.{name} =" not in source}
    assert missing - LEFT_OUT.keys() == set()


def parameters(method: Any) -> dict[str, Any]:
    """The defaults by the names of the parameters. What wraps some official methods hides theirs."""
    if list(inspect.signature(method).parameters) == ["args", "kwargs"]:
        (method,) = [cell.cell_contents for cell in method.__closure__ if inspect.isfunction(cell.cell_contents)]
    return {p.name: p.default for p in inspect.signature(method).parameters.values() if p.name != "self"}


@pytest.mark.parametrize("pair", [name for name in IDS if "load" not in name])
def test_each_method_has_the_same_parameters_and_defaults(pair: str) -> None:
    theirs, ours = PAIRS[pair]
    compared = 0
    for name, method in {"__init__": theirs.__init__, **public(theirs)}.items():
        if name in LEFT_OUT or not inspect.isfunction(method):
            continue
        wanted, here = parameters(method), parameters(getattr(ours, name))
        for parameter in [key for key in wanted if (pair, name, key) in OTHER_DEFAULTS]:
            wanted[parameter] = here[parameter]
        # Ours may take more, after theirs and with defaults.
        assert list(here.items())[: len(wanted)] == list(wanted.items()), name
        assert inspect.Parameter.empty not in list(here.values())[len(wanted) :], name
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("pair", [name for name in IDS if "load" in name])
def test_each_method_of_a_transfer_has_the_same_parameters(pair: str) -> None:
    theirs, ours = PAIRS[pair]
    for name, method in public(theirs).items():
        if name not in LEFT_OUT and inspect.isfunction(method):
            assert parameters(method) == parameters(getattr(ours, name)), name


@pytest.mark.parametrize("pair", ["v1", "v2"])
def test_each_method_is_called_with_both_clients(pair: str) -> None:
    module = {"v1": test_official_v1, "v2": test_official_v2}[pair]
    text = Path(str(module.__file__)).read_text()
    methods = {name for name, value in public(PAIRS[pair][0]).items() if inspect.isfunction(value)}
    # These make no request, or are called in tests of their own.
    apart = {"close_session", "create_new_session", "set_api_version"} | {n for n in methods if "_reservation" in n}
    assert {name for name in methods - LEFT_OUT.keys() - apart if f"c.{name}" not in text} == set()


def test_each_exception_that_is_exported_is_here() -> None:
    kinds = {
        name
        for name in firecrest.__all__
        if isinstance(getattr(firecrest, name), type) and issubclass(getattr(firecrest, name), Exception)
    }
    assert kinds
    assert {name for name in kinds if not hasattr(f7t, name)} == set()


def test_each_authorization_that_is_exported_is_here() -> None:
    kinds = {name for name in firecrest.__all__ if name.endswith("Auth")}
    assert kinds
    for name in kinds:
        wanted = parameters(getattr(firecrest, name).__init__)
        assert list(parameters(getattr(f7t, name).__init__)) == list(wanted)
        methods = {method for method, value in public(getattr(firecrest, name)).items() if inspect.isfunction(value)}
        assert {method for method in methods if not hasattr(getattr(f7t, name), method)} == set()


def test_each_other_name_that_is_exported_is_here() -> None:
    assert {name for name in firecrest.__all__ if not hasattr(f7t, name)} == NOT_HERE.keys()
    ours = inspect.signature(f7t.correlation_id).parameters
    theirs = inspect.signature(firecrest.correlation_id).parameters
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


def test_each_reason_is_still_needed() -> None:
    theirs = {name for official, _ in PAIRS.values() for name in public(official)}
    assert LEFT_OUT.keys() <= theirs
