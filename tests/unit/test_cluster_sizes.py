"""What is too large for the site: told before it is sent, and never tried again."""

from __future__ import annotations

import pytest

from f7tfs.cluster.errors import TooLarge
from f7tfs.cluster.model import Limits
from f7tfs.cluster.storage import translated_storage
from f7tfs.cluster.upload import check_size
from f7tfs.firecrest.errors import StorageUploadException
from f7tfs.firecrest.reply import Reply

OF_S3 = "<Error><Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum</Message></Error>"


def test_a_size_is_compared_with_what_the_site_tells() -> None:
    told = Limits(direct_read=10, direct_write=10, largest_write=100)
    check_size("/home/user/f", 100, told)
    with pytest.raises(TooLarge, match=r"/home/user/f: 101 bytes are more than the 100"):
        check_size("/home/user/f", 101, told)
    check_size("/home/user/f", 10**15, Limits(direct_read=10, direct_write=10))


@pytest.mark.parametrize("reply", [Reply(400, text=OF_S3), Reply(413, text="Request Entity Too Large")])
def test_what_object_storage_finds_too_large_is_refused_for_good(reply: Reply) -> None:
    with pytest.raises(TooLarge), translated_storage():
        raise StorageUploadException([reply])
