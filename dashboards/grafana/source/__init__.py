"""Makes the Grafana dashboards: `python -m dashboards.grafana.source`, in the repository, writes the JSON files above.

The JSON is committed, so that nobody needs this to use them; a test says that the two agree.
"""

from __future__ import annotations

import json

from dashboards.grafana.source.device import device
from dashboards.grafana.source.health import health
from dashboards.grafana.source.home import home

DASHBOARDS = {"home": home, "device": device, "health": health}


def rendered(name: str) -> str:
    """The text of one dashboard's file."""
    return json.dumps(DASHBOARDS[name](), indent=1) + "\n"
