"""SSH and SFTP: paramiko and asyncssh."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Pack, Phrase

__all__ = ["SSH"]

_PARAMIKO: Final = "paramiko.ssh_exception."
_ASYNCSSH: Final = "asyncssh.misc."

SSH: Final = Pack(
    name="ssh",
    types={
        _PARAMIKO + "AuthenticationException": "auth_error.invalid",
        _PARAMIKO + "PasswordRequiredException": "auth_error.missing",
        _PARAMIKO + "BadAuthenticationType": "auth_error.invalid",
        _PARAMIKO + "PartialAuthentication": "auth_error.missing",
        _PARAMIKO + "BadHostKeyException": "network_error.tls",
        _PARAMIKO + "IncompatiblePeer": "config_error.unsupported",
        _PARAMIKO + "ConfigParseError": "config_error.setting",
        _ASYNCSSH + "PermissionDenied": "auth_error.invalid",
        _ASYNCSSH + "HostKeyNotVerifiable": "network_error.tls",
        _ASYNCSSH + "KeyExchangeFailed": "config_error.unsupported",
    },
    phrases=[Phrase("ssh protocol banner", "network_error.reset", sharp=True)],
    broad={
        _PARAMIKO + "NoValidConnectionsError": "network_error.refused",
        _PARAMIKO + "ChannelException": "network_error.upstream",
        _PARAMIKO + "ProxyCommandFailure": "network_error.proxy",
        _PARAMIKO + "SSHException": "network_error.reset",
        _ASYNCSSH + "DisconnectError": "network_error.reset",
    },
)
