"""A large HDF5 file is looked at by the format's own programs: they fetch what they read, and hardly more."""

from __future__ import annotations

import array
import subprocess
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount
from tests.mounted.test_large_reading import MIB, cached

PLANES, POINTS = 64, 65_536
DATASET = """PATH runs/{name}
INPUT-CLASS FP
INPUT-SIZE 64
RANK 3
DIMENSION-SIZES {planes} 256 256
OUTPUT-CLASS FP
OUTPUT-SIZE 64
{more}
"""
CHUNKED = "CHUNKED-DIMENSION-SIZES 1 256 256"


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB: a contiguous dataset, and one in chunks; each plane holds its own number everywhere."""
    place = tmp_path_factory.mktemp("simulation")
    with (place / "planes").open("wb") as planes:
        for number in range(PLANES):
            array.array("d", [number] * POINTS).tofile(planes)
    command = ["h5import"]
    for name, more in (("density", ""), ("pressure", CHUNKED)):
        (place / name).write_text(DATASET.format(name=name, planes=PLANES, more=more))
        command += ["planes", "-c", name]
    subprocess.run([*command, "-o", "run.h5"], cwd=place, check=True)
    return place / "run.h5"


def plane(mount: Mount, dataset: str, number: int) -> tuple[set[str], int]:
    """The values of one plane, and how many bytes came here for them."""
    before = cached(mount)
    part = ("-s", f"{number},0,0", "-c", "1,256,256")
    told = mount.run("h5dump", "-y", "-w", "1", "-d", f"/runs/{dataset}", *part, "run.h5")
    values = told.partition("DATA {")[2].partition("}")[0]
    return set(values.replace(",", " ").split()), cached(mount) - before


@pytest.mark.timeout(600)
def test_the_header_and_a_slice_of_an_hdf5_file_fetch_what_they_read(own: Mount, simulation: Path) -> None:
    (own.remote / "run.h5").write_bytes(simulation.read_bytes())
    own.mount()
    assert "( 64, 256, 256 )" in own.run("h5dump", "-H", "run.h5")
    assert "/runs/pressure" in own.run("h5ls", "-r", "run.h5")
    assert cached(own) < MIB
    for dataset in ("density", "pressure"):
        for number in (9, 50):
            values, fetched = plane(own, dataset, number)
            assert values == {str(number)}
            # Of 64 MiB. The kernel makes up to 2 MiB of a plane, and at most as much again is fetched ahead.
            assert fetched < 5 * MIB
