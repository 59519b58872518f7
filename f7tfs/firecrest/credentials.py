"""Authorizations by pyFirecREST's names, whose tokens can be had without trio."""

from __future__ import annotations

from typing import Literal

from f7tfs.firecrest.auth import ClientCredentials, TokenCommand
from f7tfs.firecrest.portal import portal

_METHODS: dict[str, Literal["post", "basic"]] = {"client_secret_post": "post", "client_secret_basic": "basic"}


class ClientCredentialsAuth:
    """OAuth 2.0 client credentials; `client_auth_method` is `client_secret_post` or `client_secret_basic`.

    A token is fetched anew a minute before its end, or `min_token_validity` seconds if that is more.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        token_uri: str,
        min_token_validity: int = 60,
        client_auth_method: str = "client_secret_post",
    ) -> None:
        if client_auth_method not in _METHODS:
            raise ValueError(f"client_auth_method must be one of {', '.join(_METHODS)}")
        method = _METHODS[client_auth_method]
        self.source = ClientCredentials(client_id, client_secret, token_uri, method=method, margin=min_token_validity)

    def get_access_token(self) -> str:
        """The token. Raises ClientsCredentialsException, ConnectionFailed."""
        return portal().run(self.source.get_access_token)

    def auth_headers(self) -> dict[str, str]:
        """The headers of a request with that token."""
        return {"Authorization": f"Bearer {self.get_access_token()}"}

    def __repr__(self) -> str:
        return "ClientCredentialsAuth(***)"


class TokenCommandAuth:
    """A shell command that prints a token; a JWT is kept until it is about to end."""

    def __init__(self, command: str) -> None:
        self.source = TokenCommand(command)

    def get_access_token(self) -> str:
        """The token. Raises ClientsCredentialsException."""
        return portal().run(self.source.get_access_token)

    def auth_headers(self) -> dict[str, str]:
        """The headers of a request with that token."""
        return {"Authorization": f"Bearer {self.get_access_token()}"}

    def __repr__(self) -> str:
        return "TokenCommandAuth(***)"


class ApiKeyAuth:
    """A key that stands in a header of its own instead of a token, as sites give to service accounts."""

    def __init__(self, api_key: str, header_name: str = "X-API-Key") -> None:
        if not api_key or not header_name:
            raise ValueError("neither api_key nor header_name may be empty")
        self._api_key = api_key
        self._header_name = header_name

    def auth_headers(self) -> dict[str, str]:
        """The header with the key."""
        return {self._header_name: self._api_key}

    def __repr__(self) -> str:
        return f"ApiKeyAuth({self._header_name}: ***)"
