"""Whether a presigned URL was signed by us, for this method, and is still good. moto itself does not look."""

from __future__ import annotations

import datetime as dt
import hmac
from urllib.parse import parse_qs, urlencode

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"


def refusal(method: str, host: str, raw_uri: str, authorization: str | None, keys: tuple[str, str]) -> str | None:
    """The S3 error code with which a request is refused, or None if it is good. `keys` are access key and secret."""
    path, _, query = raw_uri.partition("?")
    fields = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    signature = fields.pop("X-Amz-Signature", None)
    if signature is None:
        signed = authorization is not None and authorization.startswith("AWS4-HMAC-SHA256")
        return None if signed else "AccessDenied"
    if authorization is not None:
        return "InvalidArgument"
    try:
        signed_at = dt.datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        expires = signed_at + dt.timedelta(seconds=int(fields["X-Amz-Expires"]))
    except (KeyError, ValueError):
        return "AuthorizationQueryParametersError"
    if expires < dt.datetime.now(dt.UTC):
        return "AccessDenied"
    wanted = _signature(method, f"http://{host}{path}?{urlencode(fields)}", fields["X-Amz-Date"], keys)
    return None if hmac.compare_digest(signature, wanted) else "SignatureDoesNotMatch"


def _signature(method: str, url: str, timestamp: str, keys: tuple[str, str]) -> str:
    auth = S3SigV4QueryAuth(Credentials(*keys), "s3", REGION)
    request = AWSRequest(method=method, url=url)
    request.context["timestamp"] = timestamp
    canonical = auth.canonical_request(request)
    signature: str = auth.signature(auth.string_to_sign(request, canonical), request)
    return signature
