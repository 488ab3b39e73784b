"""The attacks as data: the bytes of a request, and the statuses and codes of the answers."""

from __future__ import annotations

from typing import NamedTuple

from support.raw import asking, get


class Attack(NamedTuple):
    """`sent`, in one write, is answered with these statuses and codes."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    codes: tuple[str, ...]

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the last answer."""
        return self.statuses[-1] == 400 or b"HTTP/1.0" in self.sent or b"Upgrade:" in self.sent


_CODES = {200: "", 400: "BadRequest", 401: "Unauthorized", 404: "NotFound", 405: "MethodNotAllowed"}


def _row(status: int, name: str, sent: bytes, code: str = "") -> Attack:
    return Attack(name, sent, (status,), (code or _CODES[status],))


def _rows(status: int, code: str = "", **sent: bytes) -> list[Attack]:
    return [_row(status, name.replace("_", " "), raw, code) for name, raw in sent.items()]


def _line(line: str) -> bytes:
    return asking(line=line)


_PREFLIGHT = (
    "Origin: https://evil.example",
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: authorization",
    "Access-Control-Request-Private-Network: true",
)
_TOO_LONG = "a" * 8300

METHODS = [
    *_rows(
        405,
        HEAD=_line("HEAD /credentials/nsrc HTTP/1.1"),
        OPTIONS=_line("OPTIONS /credentials/nsrc HTTP/1.1"),
        OPTIONS_of_all=_line("OPTIONS * HTTP/1.1"),
        private_network_preflight=get("", *_PREFLIGHT, line="OPTIONS /credentials/nsrc HTTP/1.1"),
        POST=_line("POST /credentials/nsrc HTTP/1.1"),
        PUT=_line("PUT /credentials/nsrc HTTP/1.1"),
        DELETE=_line("DELETE /credentials/nsrc HTTP/1.1"),
        PATCH=_line("PATCH /credentials/nsrc HTTP/1.1"),
        TRACE=_line("TRACE /credentials/nsrc HTTP/1.1"),
        PROPFIND=_line("PROPFIND /credentials/nsrc HTTP/1.1"),
        CONNECT=_line("CONNECT 127.0.0.1:443 HTTP/1.1"),
        CONNECT_to_a_path=_line("CONNECT /credentials/nsrc HTTP/1.1"),
        POST_to_the_health_check=_line("POST /healthz HTTP/1.1"),
        POST_to_nowhere_with_a_foreign_host=get("", line="POST /x HTTP/1.1", host="evil.example"),
    ),
    *_rows(
        400,
        lower_case_get=_line("get /credentials/nsrc HTTP/1.1"),
        made_up_method=_line("STEAL /credentials/nsrc HTTP/1.1"),
        method_with_an_at=_line("G@T /credentials/nsrc HTTP/1.1"),
        http2_preface=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        tls=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        ssh=b"SSH-2.0-OpenSSH_9.6\r\n",
        nothing_but_zeros=bytes(64),
    ),
]

TARGETS = [
    _row(404, target.replace("{port}", "PORT"), asking(target=target))
    for target in (
        "http://127.0.0.1:{port}/credentials/nsrc",
        "//credentials/nsrc",
        "//127.0.0.1:{port}/credentials/nsrc",
        "/credentials/nsrc/",
        "/credentials//nsrc",
        "/credentials/nsrc?x",
        "/credentials/nsrc?",
        "/credentials/nsrc#x",
        "/credentials/%6esrc",
        "/credentials/nsrc%00",
        "/credentials/nsrc%20",
        "/%63redentials/nsrc",
        "/Credentials/nsrc",
        "/credentials/../credentials/nsrc",
        "/credentials/./nsrc",
        "/credentials/nsrc;x",
        "/credentials/nsrc\\",
        "/credentials\\nsrc",
        "/credentials/",
        "/credentials",
        "/credentials/.nsrc",
        "/credentials/" + "n" * 65,
        "/",
        "/healthz/",
        "/healthz?",
        "/healthz/../credentials/nsrc",
        "/HEALTHZ",
        "/status",
        "/profiles/nsrc/login",
        "/events",
        "/latest/meta-data/iam/security-credentials/",
        "/favicon.ico",
    )
] + [
    *_rows(
        400,
        target_with_a_zero=_line("GET /credentials/nsrc\0 HTTP/1.1"),
        target_in_utf8=_line("GET /credentials/nsrcé HTTP/1.1"),
        target_in_latin1=_line("GET /credentials/nsrc\udcff HTTP/1.1"),
        target_with_a_space=_line("GET /credentials/ nsrc HTTP/1.1"),
        target_after_a_tab=_line("GET\t/credentials/nsrc HTTP/1.1"),
        target_of_9_kB=asking(target="/credentials/" + "a" * 9000),
        the_target_of_all=_line("GET * HTTP/1.1"),
        no_target=_line("GET HTTP/1.1"),
        no_target_at_all=_line("GET"),
    ),
    _row(401, "another profile's name in capitals", asking(target="/credentials/NSRC")),
    _row(401, "a profile that is not configured", asking(target="/credentials/nobody")),
]

HOSTS = [
    _row(403, f"Host: {host.replace('{port}', 'PORT')!r}", asking(host=host), "ForeignHost")
    for host in (
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "rebound.example:80",
        "127.0.0.1:",
        "127.0.0.1:123456",
        "127.0.0.1:-1",
        "127.0.0.1:8x",
        "127.0.0.1:\u0661",
        "127.0.0.1:{port}.",
        "127.0.0.1.:{port}",
        "127.1",
        "127.1:{port}",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.2:{port}",
        "2130706433:{port}",
        "0.0.0.0",
        "0.0.0.0:{port}",
        "::1",
        "::1:{port}",
        "[::]",
        "[::]:{port}",
        "[0:0:0:0:0:0:0:1]:{port}",
        "[::1%25lo]",
        "[::1]:",
        "[::1].evil.example",
        "[::ffff:127.0.0.1]",
        "[::ffff:127.0.0.1]:{port}",
        "[127.0.0.1]",
        "LOCALHOST",
        "LOCALHOST:{port}",
        "Localhost",
        "localhost.",
        "localhost.:{port}",
        "a.localhost",
        "localhost.evil.example",
        "user@127.0.0.1",
        "user@127.0.0.1:{port}",
        "user:1@localhost",
        "127.0.0.1:{port}@evil.example",
        "127.0.0.1:{port}, evil.example",
        "127.0.0.1:{port} evil.example",
        "http://127.0.0.1:{port}",
        "127.0.0.1:{port}/",
        " ",
    )
] + [
    *_rows(
        400,
        no_Host=asking(host=""),
        Host_twice=asking("Host: 127.0.0.1:{port}"),
        a_foreign_Host_too=asking("Host: evil.example"),
        a_foreign_host_first=get("", "Host: 127.0.0.1:{port}", "Authorization: {token}", host="evil.example"),
    ),
    _row(400, "no Host in HTTP/1.0", asking(line="GET /credentials/nsrc HTTP/1.0", host=""), "BadRequest"),
    _row(403, "a foreign Host at the health check", get("/healthz", host="evil.example"), "ForeignHost"),
    *_rows(
        200,
        Host_without_a_port=asking(host="127.0.0.1"),
        localhost=asking(host="localhost:{port}"),
        localhost_without_a_port=asking(host="localhost"),
        the_IPv6_loopback=asking(host="[::1]:{port}"),
        the_IPv6_loopback_without_a_port=asking(host="[::1]"),
        a_relays_port=asking(host="127.0.0.1:1"),
        a_forwarded_port=asking(host="localhost:65535"),
        another_port_of_the_IPv6_loopback=asking(host="[::1]:8080"),
        a_number_of_five_digits=asking(host="127.0.0.1:99999"),
        health_check=get("/healthz"),
        health_check_with_any_token=get("/healthz", "Authorization: x"),
    ),
]

BROWSERS = [
    _row(403, "; ".join(marks), asking(*marks), "BrowserRequest")
    for marks in (
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: http://127.0.0.1:{port}",),
        ("ORIGIN:",),
        ("Referer: https://evil.example/",),
        ("referer: http://127.0.0.1:{port}/credentials/nsrc",),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"),
        ("Sec-Fetch-Site: none",),
        ("Sec-Fetch-Mode: no-cors",),
        ("Sec-Fetch-Mode: navigate",),
        ("sec-fetch-mode: websocket",),
        ("Sec-Fetch-Mode: cors", "Sec-Fetch-Mode: navigate"),
        ("Sec-Fetch-Mode: cors, navigate",),
        ("Sec-Fetch-Dest: image",),
        ("Sec-Fetch-User: ?1",),
        ("Sec-Fetch-Storage-Access: active",),
        ("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"),
        ("Sec-Purpose: prefetch",),
        ('sec-ch-ua: "Chromium";v="140"',),
        ("SEC-GPC: 1",),
        ("Sec-WebSocket-Version: 13", "Connection: Upgrade", "Upgrade: websocket"),
    )
] + [
    _row(403, "Origin at the health check", get("/healthz", "Origin: https://evil.example"), "BrowserRequest"),
    _row(200, "the lone Sec-Fetch-Mode: cors of Node's fetch", asking("Sec-Fetch-Mode: cors")),
]

FORWARDED = [
    _row(403, mark, asking(mark), "ForwardedRequest")
    for mark in (
        "Forwarded: for=203.0.113.7",
        "FORWARDED: for=127.0.0.1",
        "X-Forwarded-For: 203.0.113.7",
        "x-forwarded-for: 127.0.0.1",
        "X-Forwarded-For:",
        "X-Forwarded-Host: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-FORWARDED-PORT: 80",
        "X-Forwarded-Anything: x",
        "X-Real-IP: 203.0.113.7",
        "x-real-ip: 127.0.0.1",
        "Via: 1.1 proxy",
        "VIA: 1.1 proxy",
    )
]

TOKENS = [
    _row(401, name, get("/credentials/nsrc", *lines))
    for name, lines in {
        "no token": (),
        "an empty token": ("Authorization:",),
        "a wrong token": ("Authorization: " + "x" * 43,),
        "the other profile's token": ("Authorization: {other}",),
        "Bearer": ("Authorization: Bearer {token}",),
        "Basic": ("Authorization: Basic e3Rva2VuOnh9",),
        "the token and a comma": ("Authorization: {token},",),
        "the token twice in one line": ("Authorization: {token}, {token}",),
        "the token and more": ("Authorization: {token}x",),
        "the token in quotes": ('Authorization: "{token}"',),
        "a token of 8 kB": ("Authorization: " + "a" * 8100,),
        "a token that is not ASCII": ("Authorization: {token}é",),
        "a token that is not UTF-8": ("Authorization: \udcff\udcfe",),
        "a lone surrogate": ("Authorization: \udced\udca0\udc80",),
        "an escaped newline": ("Authorization: {token}\\n",),
        "the token in another header": ("Proxy-Authorization: {token}", "X-Authorization: {token}"),
        "the token in a cookie": ("Cookie: Authorization={token}",),
        "a metadata service's token": ("X-aws-ec2-metadata-token: {token}",),
    }.items()
] + [
    *_rows(
        403,
        "DoubledAuthorization",
        the_token_twice=asking("Authorization: {token}"),
        a_wrong_token_after_it=asking("Authorization: x"),
        two_tokens_at_the_health_check=get("/healthz", "Authorization: {token}", "Authorization: {token}"),
        a_wrong_token_before_it=get("/credentials/nsrc", "Authorization: x", "authorization: {token}"),
    ),
    *_rows(
        200,
        white_space_around_the_token=get("/credentials/nsrc", "Authorization:\t  {token} \t"),
        another_letter_case_of_the_header=get("/credentials/nsrc", "AUTHORIZATION: {token}"),
    ),
]

BODIES = [
    *_rows(
        400,
        a_body=asking("Content-Length: 3") + b"abc",
        a_body_that_never_comes=asking("Content-Length: 3"),
        a_huge_body=asking("Content-Length: 99999999999999"),
        a_length_that_no_number_holds=asking("Content-Length: 99999999999999999999999999"),
        a_negative_length=asking("Content-Length: -1"),
        a_signed_length=asking("Content-Length: +0"),
        a_length_in_hex=asking("Content-Length: 0x0"),
        a_length_of_two_zeros=asking("Content-Length: 00"),
        an_empty_length=asking("Content-Length:"),
        two_lengths=asking("Content-Length: 0", "Content-Length: 0"),
        chunked=asking("Transfer-Encoding: chunked") + b"0\r\n\r\n",
        chunked_and_broken=asking("Transfer-Encoding: chunked") + b"zz\r\n\r\n",
        chunked_in_capitals=asking("Transfer-Encoding: CHUNKED") + b"0\r\n\r\n",
        an_unknown_transfer_encoding=asking("Transfer-Encoding: identity"),
        chunked_and_a_length=asking("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + asking(),
        a_length_and_chunked=asking("Transfer-Encoding: chunked", "Content-Length: 0") + b"0\r\n\r\n" + asking(),
        a_request_in_a_body=asking("Content-Length: 11") + b"GET / HTTP/" + asking(),
        a_body_at_the_health_check=get("/healthz", "Content-Length: 3") + b"abc",
        Expect_with_a_body=asking("Content-Length: 3", "Expect: 100-continue"),
    ),
    *_rows(
        200,
        a_length_of_zero=asking("Content-Length: 0"),
        Expect_without_a_body=asking("Expect: 100-continue"),
        a_Content_Encoding_without_a_body=asking("Content-Encoding: gzip"),
    ),
]

HEADERS = [
    *_rows(
        400,
        a_value_of_8_kB_and_more=asking("X-Long: " + _TOO_LONG),
        a_name_of_8_kB_and_more=asking(f"X-{_TOO_LONG}: x"),
        a_value_of_70_kB=asking("X-Long: " + "a" * 70_000),
        headers_129=asking(*(f"X-{number}: x" for number in range(127))),
        headers_500=asking(*(f"X-{number}: x" for number in range(498))),
        a_space_in_a_name=asking("X Y: x"),
        a_space_before_the_colon=asking("X-Y : x"),
        a_space_before_the_colon_of_Authorization=get("/credentials/nsrc", "Authorization : {token}"),
        no_name=asking(": x"),
        no_colon=asking("X-Y"),
        a_name_in_utf8=asking("X-é: x"),
        a_folded_line=asking("X-Y: x", " y"),
        a_folded_token=get("/credentials/nsrc", "Authorization:", " {token}"),
        nothing_but_line_feeds=asking().replace(b"\r\n", b"\n"),
        one_bare_line_feed=asking("X-Y: x\nX-Z: z"),
        a_bare_carriage_return=asking("X-Y: x\ry"),
        a_zero_in_a_value=asking("X-Y: x\0y"),
        a_zero_in_a_name=asking("X\0Y: x"),
        a_bell_in_a_value=asking("X-Y: x\ay"),
        white_space_before_the_first_header=_line("GET /credentials/nsrc HTTP/1.1\r\n X-Y: x"),
    ),
    *_rows(
        200,
        headers_128=asking(*(f"X-{number}: x" for number in range(126))),
        a_value_of_nearly_8_kB=asking("X-Long: " + "a" * 8100),
        a_value_in_latin1=asking("X-Y: \udcff"),
    ),
]

VERSIONS = [
    _row(400, line, _line(line))
    for line in (
        "GET /credentials/nsrc",
        "GET /credentials/nsrc HTTP/0.9",
        "GET /credentials/nsrc HTTP/2.0",
        "GET /credentials/nsrc HTTP/1.2",
        "GET /credentials/nsrc HTTP/1.10",
        "GET /credentials/nsrc HTTP/1.1x",
        "GET /credentials/nsrc HTTP/11",
        "GET /credentials/nsrc http/1.1",
        "GET /credentials/nsrc HTTP/1.1 HTTP/1.1",
        "GET /credentials/nsrc ICE/1.0",
        "HEAD /credentials/nsrc HTTP/2.0",
    )
]

UPGRADES = [
    *_rows(
        200,
        websocket=asking("Connection: Upgrade", "Upgrade: websocket"),
        # Java's own client sends this with every first request.
        h2c=asking("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA"),
        an_empty_line_first=b"\r\n" + asking(),
        two_spaces_before_the_target=_line("GET  /credentials/nsrc HTTP/1.1"),
        # The parser takes another protocol's name for HTTP, and does not tell.
        another_protocol=asking("Connection: keep-alive", line="GET /credentials/nsrc RTSP/1.0"),
    ),
    _row(401, "websocket without a token", get("/credentials/nsrc", "Connection: Upgrade", "Upgrade: websocket")),
]

PIPELINES = [
    Attack("two good ones", asking() * 2, (200, 200), ("", "")),
    Attack("a good and a refused one", asking() + get("/x") + asking(), (200, 404, 200), ("", "NotFound", "")),
    Attack("a refused and a good one", get() + asking(), (401, 200), ("Unauthorized", "")),
    # Nothing after the offer to speak something else is taken for HTTP.
    Attack("a websocket and a good one", UPGRADES[0].sent + asking(), (200,), ("",)),
    Attack("h2c and a good one", UPGRADES[1].sent + asking(), (200,), ("",)),
    Attack(
        "CONNECT and one without a token",
        _line("CONNECT a:1 HTTP/1.1") + get(),
        (405, 401),
        ("MethodNotAllowed", "Unauthorized"),
    ),
    # What comes in one packet with something malformed is not answered at all.
    Attack("a good and a malformed one", asking() + b"\0\0\r\n\r\n", (400,), ("BadRequest",)),
    Attack("a malformed and a good one", b"\0\0\r\n\r\n" + asking(), (400,), ("BadRequest",)),
    Attack("forty good ones", asking() * 40, (200,) * 40, ("",) * 40),
]

# Where several checks do not fit, the first of the list answers.
ORDER = [
    _row(400, "version before method", _line("POST /x HTTP/2.0")),
    _row(405, "method before target", get("/x", line="POST /x HTTP/1.1", host="evil.example")),
    _row(404, "target before Host", get("/x", "Origin: null", host="evil.example")),
    _row(403, "Host before browser", get("/healthz", "Origin: null", host="evil.example"), "ForeignHost"),
    _row(403, "browser before forwarding", get("/healthz", "Origin: null", "Via: x"), "BrowserRequest"),
    _row(403, "forwarding before body", asking("Via: x", "Content-Length: 1") + b"x", "ForwardedRequest"),
    _row(400, "body before token", get("/credentials/nsrc", "Content-Length: 1") + b"x"),
    _row(403, "two tokens before a wrong one", asking("Authorization: x"), "DoubledAuthorization"),
    _row(403, "browser before token", get("/credentials/nsrc", "Origin: null"), "BrowserRequest"),
]

ATTACKS = [
    *(METHODS + TARGETS + HOSTS + BROWSERS + FORWARDED + TOKENS),
    *(BODIES + HEADERS + VERSIONS + UPGRADES + PIPELINES + ORDER),
]
