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

    def __repr__(self) -> str:
        return "ClientCredentialsAuth(***)"


class TokenCommandAuth:
    """A shell command that prints a token; a JWT is kept until it is about to end."""

    def __init__(self, command: str) -> None:
        self.source = TokenCommand(command)

    def get_access_token(self) -> str:
        """The token. Raises ClientsCredentialsException."""
        return portal().run(self.source.get_access_token)

    def __repr__(self) -> str:
        return "TokenCommandAuth(***)"
