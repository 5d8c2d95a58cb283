"""Write the files."""

from pathlib import Path

from dashboards.grafana.source import DASHBOARDS, rendered

for name in DASHBOARDS:
    (Path(__file__).parents[1] / f"{name}.json").write_text(rendered(name))
