"""The one door to HTTP for adapters: a client that sends one request per attempt, and the addresses of proxies.

Behind it stands our own client, measured against kept ones (docs/http-client.md says how, and when it goes). It never
grows: it follows no redirects, keeps no cookies, sends nothing twice, speaks no HTTP/2 and to no proxy; a proxy is
aiohttp's work. Data flows body and request id -> `HttpClient.post` -> HttpAnswer or NoAnswerError.
"""

from harness.providers.http.client import open_client
from harness.providers.http.door import HttpAnswer, HttpClient, NoAnswerError
from harness.providers.http.network import CONNECT_TIMEOUT_S, PROXY_VARIABLE, idle_proxy_variables, proxy_for

__all__ = [
    "CONNECT_TIMEOUT_S",
    "PROXY_VARIABLE",
    "HttpAnswer",
    "HttpClient",
    "NoAnswerError",
    "idle_proxy_variables",
    "open_client",
    "proxy_for",
]
