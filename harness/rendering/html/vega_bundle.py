"""The chart library as one script, out of the package that draws charts for files: no page asks another host."""

from __future__ import annotations

from functools import cache


@cache  # made once a process: about 0.9 MB, in about a second
def vega_bundle() -> bytes:
    """Give Vega, Vega-Lite and vega-embed as JavaScript that defines `vegaEmbed`."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # optional, whatever its stub says
    return bundle.encode()
