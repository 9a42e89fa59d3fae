"""What went wrong on the way to a provider, or within it."""

from __future__ import annotations

from typing import Final

from taskwarden.classify.pack import Phrase

__all__ = ["SERVER", "TRANSPORT"]

TRANSPORT: Final = (
    Phrase(
        "certificate",
        "network_error.tls",
        r"certificate (?:verify failed|has expired|is not valid|verification (?:failed|error))|"
        r"(?:self[- ]signed|expired|invalid|untrusted) certificate|certificate_verify_failed",
    ),
    Phrase("certificate_verify_failed", "network_error.tls"),
    Phrase("handshake", "network_error.tls", r"(?:ssl|tls)\w*[ :].{0,40}handshake|handshake (?:failure|failed)"),
    Phrase("wrong version number", "network_error.tls"),
    Phrase("hostname mismatch", "network_error.tls"),
    Phrase("name or service not known", "network_error.dns"),
    Phrase("nodename nor servname", "network_error.dns"),
    Phrase("getaddrinfo", "network_error.dns", r"getaddrinfo(?: failed)?"),
    Phrase("temporary failure in name resolution", "network_error.dns"),
    Phrase("no address associated with hostname", "network_error.dns"),
    Phrase(
        "resolve",
        "network_error.dns",
        r"(?:could not|couldn't|cannot|can't|failed to|unable to) resolve (?:the )?(?:host|hostname|domain|dns|"
        r"name)\w*",
    ),
    Phrase("name resolution", "network_error.dns", r"name resolution (?:failed|error)|failed name resolution"),
    Phrase("nxdomain", "network_error.dns"),
    Phrase("dns", "network_error.dns", r"dns (?:lookup |resolution |query )?(?:failed|failure|error|timeout)"),
    Phrase("unable to find the server at", "network_error.dns"),
    Phrase("connection refused", "network_error.refused"),
    Phrase("actively refused", "network_error.refused"),
    Phrase("all connection attempts failed", "network_error.refused"),
    Phrase("failed to establish a new connection", "network_error.refused"),
    Phrase(
        "connect",
        "network_error.refused",
        r"(?:cannot|could not|failed to|unable to|can't|couldn't) connect to (?:the )?(?:host|server|endpoint|"
        r"remote|port)\w*",
    ),
    Phrase("reset by peer", "network_error.reset", r"(?:connection )?reset by peer"),
    Phrase("connection reset", "network_error.reset"),
    Phrase("broken pipe", "network_error.reset"),
    Phrase("connection aborted", "network_error.reset"),
    Phrase("disconnected", "network_error.reset", r"(?:server|peer|remote end|host) (?:unexpectedly )?disconnected"),
    Phrase(
        "closed connection",
        "network_error.reset",
        r"(?:server|peer|remote end|host) (?:unexpectedly )?closed (?:the )?connection",
    ),
    Phrase("connection closed", "network_error.reset", r"connection closed(?: unexpectedly| by| before)?"),
    Phrase("connection was closed", "network_error.reset", r"connection was closed (?:before|by|unexpectedly)\w*"),
    Phrase("connection lost", "network_error.reset"),
    Phrase("unexpected eof", "network_error.reset", r"unexpected eof(?: while reading)?"),
    Phrase("eof occurred in violation of protocol", "network_error.reset"),
    Phrase("incomplete chunked read", "network_error.reset"),
    Phrase("socket hang up", "network_error.reset"),
    Phrase("payload is not completed", "network_error.reset"),
    Phrase("connection broken", "network_error.reset"),
    Phrase("fetch failed", "network_error.reset", r"fetch failed|failed to fetch"),
    Phrase("network error", "network_error"),
    Phrase("socket", "network_error.reset", r"socket (?:error|closed|exception)"),
    Phrase(
        "host",
        "network_error.dns",
        r"(?:unknown host|host not found|hostname lookup|host lookup failed|err_name_not_resolved|"
        r"no address found)",
    ),
    Phrase("unreachable", "network_error.unreachable", r"(?:is |was |are )?unreachable"),
    Phrase(
        "peer",
        "network_error.reset",
        r"(?:closed|dropped|terminated|lost) by (?:the )?(?:peer|remote|server|other side)",
    ),
    Phrase(
        "connection",
        "network_error.reset",
        r"connection (?:was |has been |is )?(?:closed|dropped|terminated|lost|interrupted|broken)|(?:lost|"
        r"dropped|closed) (?:the )?connection",
    ),
    Phrase(
        "connect",
        "network_error.refused",
        r"(?:could not|couldn't|cannot|can't|unable to|failed to|error while) (?:establish (?:a |"
        r"the )?(?:new )?connection|connect(?:ing)?) to [\w.-]+:\d+",
    ),
    Phrase("connection failed", "network_error", r"connection (?:attempt )?(?:has )?failed"),
    Phrase("connection error", "network_error", r"connection error|connection failure"),
    Phrase("network is unreachable", "network_error.unreachable"),
    Phrase("no route to host", "network_error.unreachable"),
    Phrase("host is unreachable", "network_error.unreachable", r"host is (?:unreachable|down)"),
    Phrase(
        "proxy",
        "network_error.proxy",
        r"(?:unable to connect to|cannot connect to|tunnel connection failed|error from) proxy|"
        r"proxy (?:connection|authentication) (?:failed|error|required)",
    ),
    Phrase("tunnel connection failed", "network_error.proxy"),
    Phrase("timed out", "network_error.timeout", r"timed[ -]out"),
    Phrase(
        "timeout",
        "network_error.timeout",
        r"(?:connection|connect|read|write|request|response|operation|gateway|socket|network|server|api|"
        r"upstream|deadline)[ _-]?timeout\b(?! must\b| value\b| setting\b| should\b| parameter\b| has to\b)|"
        r"timeout (?:exceeded|expired|error|occurred|reached|waiting|while|reading|after|of \d)|etimedout|"
        r"\A\W*timeout(?:\W*\Z|: )",
    ),
    Phrase("deadline exceeded", "network_error.timeout"),
    Phrase("took too long", "network_error.timeout", r"took (?:too long|longer than)"),
    Phrase("no response", "network_error.timeout", r"no response (?:was )?(?:received|from|within)"),
)


SERVER: Final = (
    Phrase(
        "upstream",
        "network_error.upstream",
        r"(?:no healthy upstream|upstream (?:error|connect error|request failed|unavailable))",
    ),
    Phrase(
        "unavailable",
        "network_error.upstream",
        r"(?:is |are |was |currently |temporarily )+unavailable|(?:server|api|site|system|host) unavailable",
    ),
    Phrase(
        "down",
        "network_error.upstream",
        r"(?:server|site|service|api|host) (?:is |appears to be |seems to be )(?:currently )?(?:down|offline|"
        r"not responding)|not responding",
    ),
    Phrase(
        "overload",
        "network_error.upstream",
        r"overload(?:ed)?|(?:server|system) (?:is )?(?:too )?busy|over capacity|high demand",
    ),
    Phrase("something went wrong", "network_error.upstream"),
    Phrase("unexpected error", "network_error.upstream", r"(?:server|api|service) .{0,20}unexpected error"),
    Phrase("bad gateway", "network_error.upstream"),
    Phrase("service unavailable", "network_error.upstream", r"service (?:is )?(?:temporarily |currently )?unavailable"),
    Phrase("temporarily unavailable", "network_error.upstream"),
    Phrase("internal server error", "network_error.upstream"),
    Phrase("internal error", "network_error.upstream"),
    Phrase(
        "server error", "network_error.upstream", r"(?:an? )?(?:\w+ )?server (?:had an )?error(?: occurred| while)?"
    ),
    Phrase("backend error", "network_error.upstream"),
    Phrase("maintenance", "network_error.upstream", r"(?:under|down for|scheduled|undergoing|in) (?:\w+ )?maintenance"),
    Phrase("try again later", "network_error.upstream", r"(?:please )?(?:try|retry) again later"),
)
