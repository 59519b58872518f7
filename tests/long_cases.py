"""Cases of tests that run by `make test-long` only: for each of these tests others of its cases are in `make test`.

Where there is one for each version of the API and each write mode, each version and each mode stays in one of them;
of what waits for a time and hardly depends on the version, in one of its neighbours.
"""

from __future__ import annotations

import re

import pytest

LONG_CASES = (
    r"client/test_cluster_staging.py::test_an_upload_that_ended_in_any_phase_.*\[(v1-complete|v1-moving|v2-queued)\]",
    r"client/test_cluster_lost.py::test_a_removal_that_was_given_up_.*\[v1\]",
    r"client/test_cluster_lost.py::test_an_upload_that_was_given_up_.*\[v2\]",
    r"client/test_cluster_staging_faults.py::test_a_full_disk_there_.*\[v1\]",
    r"mounted/test_bad_input.py::test_a_cluster_that_is_away_.*\[v1\]",
    r"mounted/test_bad_input.py::test_credentials_that_are_no_longer_taken\[v2\]",
    r"mounted/test_budgets.py::.*\[v1-auto-.*\]",
    r"mounted/test_bulk_removals.py::.*\[(async-v2|auto-v1)\]",
    r"mounted/test_bursts.py::test_a_program_that_goes_on_.*\[v1\]",
    r"mounted/test_complaints.py::test_a_network_that_is_lost_.*\[v1\]",
    r"mounted/test_complaints.py::test_a_network_that_is_silent_.*\[v2\]",
    r"mounted/test_credentials.py::test_a_mount_goes_on_.*\[v1\]",
    r"mounted/test_deadlines.py::.*\[v2\]",
    r"mounted/test_files.py::test_a_change_on_the_cluster_.*\[v1\]",
    r"mounted/test_fsx.py::test_so_they_are_.*\[(v1-auto|v2-async|v2-sync)\]",
    # The orders of these are tried by tests/unit/simulated too, in virtual time.
    r"mounted/test_journal.py::test_a_name_is_removed_though_.*\[v1-(?!moved there, and).*\]",
    r"mounted/test_journal.py::test_(what_others_changed|trees_are_removed)_.*\[v1\]",
    r"mounted/test_journal.py::test_what_is_changed_while_.*\[v2\]",
    r"mounted/test_large.py::test_a_large_file_goes_in_.*\[v1-600\]",
    r"mounted/test_large_append.py::test_(where_no_job|what_was_changed|an_append_is_made_once)_.*\[v1.*\]",
    r"mounted/test_large_kills.py::.*\[(parts-v2|move-v1|staging-v1)\]",
    r"mounted/test_large_options.py::test_a_read_waits_.*\[v1\]",
    r"mounted/test_large_rewritten.py::test_parts_of_an_older_.*\[v2\]",
    r"mounted/test_leaving.py::.*\[v1-by_fusermount\]",
    r"mounted/test_model.py::test_so_it_does_.*\[(v2-async|v2-sync|v1-auto)\]",
    r"mounted/test_model_others.py::test_what_another_.*\[(v1-auto|v1-sync|v2-bursts|v2-async)\]",
    r"mounted/test_model_others.py::test_nothing_is_half_done_.*\[(v1-sync|v2-auto)\]",
    r"mounted/test_model_others.py::test_nor_where_it_is_.*\[(v1-bursts|v2-async)\]",
    r"mounted/test_posix_times.py::test_numbers_and_times_.*\[(v1-auto|v2-async)\]",
    r"mounted/test_roots.py::test_mounts_that_overlap_.*\[v1-v2\]",
    r"mounted/test_stress.py::.*\[(v1-auto|v2-async)\]",
)
_LONG = re.compile("|".join(f"(?:tests/{case})" for case in LONG_CASES))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before those that are not asked for are taken out."""
    for item in items:
        if _LONG.fullmatch(item.nodeid):
            item.add_marker(pytest.mark.long)
