"""What a person must know about where a run's requests go: keys that are held back, proxies that are not used.

Data flows models, endpoints and environment -> sentences, said once before anything leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from harness.models import ModelSpec
from harness.providers.catalogue import entry_of
from harness.providers.endpoints import SIMULATED, Endpoints
from harness.providers.http import PROXY_VARIABLE, idle_proxy_variables


def address_notices(models: Sequence[ModelSpec], endpoints: Endpoints, environment: Mapping[str, str]) -> list[str]:
    """Say which keys are not sent, and which proxies of the environment are not used."""
    said = []
    for spec in models:
        endpoint = endpoints.of(spec)
        names = [name for name in entry_of(spec.provider).keys if environment.get(name)]
        if not endpoint.with_key and names:
            host = urlsplit(endpoint.url or "").netloc
            said.append(
                f"{names[0]} is not sent to {host}, which is not named for it: --base-url {spec.provider}=URL names it"
            )
    idle = idle_proxy_variables(environment)
    if idle and any(spec.provider != SIMULATED for spec in models):
        said.append(f"{', '.join(idle)}: not used for requests to models; {PROXY_VARIABLE}=env says that it is")
    return list(dict.fromkeys(said))
