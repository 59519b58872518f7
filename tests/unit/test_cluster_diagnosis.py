"""From recorded answers of real servers, and from what GNU tools say, to the error that is meant."""

from __future__ import annotations

import json

import pytest

from f7tfs.cluster import errors
from f7tfs.cluster.diagnosis import PHRASES, diagnose_v1, diagnose_v2, errno_phrase
from f7tfs.cluster.translate import cluster_error, one_line, v1
from f7tfs.firecrest import errors as firecrest
from f7tfs.firecrest.reply import reply_of
from tests.unit.recorded import responses

V1 = responses("v1")
V2 = responses("v2")

V2_MEANING = {
    "userinfo_unknown_system": errors.NoSuchSystem,
    "no_token": errors.Unauthorized,
    "expired_token": errors.Unauthorized,
    "soon_expiring_token": errors.Unauthorized,
    "unknown_user_ls": errors.Unauthorized,
    "missing_ls": errors.NotFound,
    "missing_stat": errors.NotFound,
    "missing_download": errors.NotFound,
    "enotdir_stat": errors.NotADirectory,
    "path_outside_fs": errors.NotFound,
    "path_relative": errors.InvalidName,
    "perm_ls": errors.PermissionDenied,
    "perm_upload": errors.PermissionDenied,
    "perm_chmod": errors.PermissionDenied,
    "dir_download": errors.IsADirectory,
    "dir_view": errors.IsADirectory,
    "ls_dereference": errors.NotFound,
    "download_fifo": errors.TimedOut,
    "upload_5MiB_plus1": errors.TooLarge,
    "download_3932158": errors.TooLarge,
    "upload_onto_dir": errors.IsADirectory,
    "upload_missing_dir": errors.NotFound,
    "mkdir_existing": errors.AlreadyExists,
    "mkdir_missing_parent": errors.NotFound,
    "rm_symlink_to_dir_slash": errors.NotADirectory,
    "rm_partial": errors.PermissionDenied,
    "chown_badgroup": errors.RemoteFailure,
    "long_name": errors.NameTooLong,
    "ls_55000": errors.TooLarge,
    "mv_no_account": errors.AccountRequired,
    "job_submit_bad_partition": errors.SchedulerRefused,
    "job_cancel_again": errors.SchedulerRefused,
    "job_info_unknown": errors.NotFound,
    "sshd_down_unhealthy_stat": errors.Unavailable,
    "ssh_session_killed_then_stat_0": errors.Unavailable,
    "sshd_down_healthy_submit": errors.Unavailable,
}

V1_MEANING = {
    "ls missing": errors.NotFound,
    "ls permission denied (dir mode 000)": errors.PermissionDenied,
    "ls below unreadable dir": errors.PermissionDenied,  # its header says X-Invalid-Path
    "ls unknown machine": errors.NoSuchSystem,
    "ls down machine": errors.Unavailable,
    "no token": errors.Unauthorized,
    "expired token": errors.Unauthorized,
    "ls 60000 entries": errors.TooLarge,
    "stat missing": errors.NotFound,
    'stat name "q\'uote"': errors.InvalidName,
    "download dir": errors.IsADirectory,
    "download exactly 5 MiB (= the advertised limit)": errors.TooLarge,
    "download 5 MiB + 1": errors.TooLarge,
    "upload to missing dir": errors.NotFound,
    "upload to dir without permission": errors.PermissionDenied,
    "upload name with quote": errors.InvalidName,
    "upload 5 MiB exactly": errors.TooLarge,
    "upload 6 MiB through the gateway": errors.Unavailable,
    "upload 256 KiB to full filesystem": errors.NoSpace,
    "mkdir existing": errors.AlreadyExists,
    "mkdir on read-only filesystem": errors.ReadOnly,  # its header says X-A-Directory
    "rename dir onto file": errors.NotADirectory,
    "rename missing": errors.NotFound,
    "rm missing": errors.NotFound,
    "xfer download missing": errors.NotFound,
    "task of unknown id": errors.NotFound,
    "task of another user": errors.PermissionDenied,
}


@pytest.mark.parametrize("name", V2_MEANING)
def test_a_recorded_answer_of_v2_means_its_error(name: str) -> None:
    response = V2[name]
    reply = reply_of(response["status"], response["headers"], json.dumps(response["body"]))
    assert diagnose_v2(reply.status, reply.message) is V2_MEANING[name]


@pytest.mark.parametrize("name", V1_MEANING)
def test_a_recorded_answer_of_v1_means_its_error(name: str) -> None:
    response = V1[name]
    reply = reply_of(response["status"], response["headers"], response["body"])
    assert diagnose_v1(reply.status, reply.message, reply.headers) is V1_MEANING[name]


@pytest.mark.parametrize("phrase", PHRASES)
def test_each_phrase_is_believed_at_the_end_of_a_line(phrase: str) -> None:
    assert errno_phrase(f"stat: cannot statx '/p': {phrase}\nmore") is PHRASES[phrase]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("stat: cannot statx '/home/a: Permission denied': No such file or directory", errors.NotFound),
        ("cat: '/x: No such file or directory/y': Is a directory", errors.IsADirectory),
        ("rm: cannot remove 'No such file or directory'", None),
        ("mv: cannot overwrite directory '/a/b' with non-directory", errors.IsADirectory),
        ("mv: cannot overwrite non-directory 'f' with directory 'd'", errors.NotADirectory),
        ("ls: cannot access 'a': Permission deniedls: cannot access 'b': Permission denied", errors.PermissionDenied),
        ("", None),
    ],
)
def test_a_phrase_inside_a_path_is_not_believed(text: str, meant: type[errors.ClusterError] | None) -> None:
    assert errno_phrase(text) is meant


def test_v2_statuses_are_doubted_where_the_command_says_otherwise() -> None:
    told = "cat: '/p/No such file or directory': Is a directory"
    message = f"Remote process failed with exit status:1 and error message:{told}"
    assert diagnose_v2(404, message) is errors.IsADirectory


def test_a_command_that_fails_in_a_loop_is_told_once() -> None:
    full = "curl: (23) Failure writing output to destination: Disk quota exceeded\n"
    assert one_line(full * 8 + "base64: write error: Disk quota exceeded\n" + full) == (
        f"{full.strip()} base64: write error: Disk quota exceeded"
    )


def test_messages_are_one_line_without_the_servers_preamble() -> None:
    text = "Remote process failed with exit status:1 and error message:stat: cannot\nstatx '/p'"
    assert one_line(text) == "stat: cannot statx '/p'"


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("<html>Internal Server Error</html>", errors.Uncertain),
        ("", errors.Uncertain),
        ('{"message": "Remote process failed with exit status:1 and error message:odd"}', errors.RemoteFailure),
        ('{"description": "Failed", "error": "No space left on device"}', errors.NoSpace),
    ],
)
def test_a_500_that_is_not_firecrests_own_is_nothing_final(body: str, meant: type[errors.ClusterError]) -> None:
    error = firecrest.FirecrestException([reply_of(500, {}, body)])
    assert type(cluster_error(error, v1)) is meant
