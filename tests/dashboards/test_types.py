"""Grafana's own TypeScript types accept the dashboards: panels, options and custom field settings, no key unknown.

The generated types use enumerations, which JSON cannot name; `Written` is the same with their values as text.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dashboards.test_grafana import DASHBOARDS

pytestmark = pytest.mark.slow

#: The types of the Grafana that compose.yaml runs.
PACKAGES = ["@grafana/schema@12.1.1", "typescript@5.9.2"]
PANELS = {
    "barchart": "BarChart",
    "bargauge": "BarGauge",
    "piechart": "PieChart",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "text": "Text",
    "timeseries": "TimeSeries",
}
#: These have no custom field settings of their own in the schema.
BARE = {"bargauge", "stat", "text"}

HEAD = """\
import type {
  AnnotationQuery, Dashboard, DashboardLink, DataTransformerConfig, FieldConfig, MatcherConfig, Panel, VariableModel,
} from '@grafana/schema';

type Written<T> =
  unknown extends T ? T :
  T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends Array<infer U> ? Array<Written<U>> :
  T extends object ? { [K in keyof T]: Written<T[K]> } : T;
type Target = {
  refId: string; datasource: Panel['datasource']; expr: string; legendFormat: string; instant: boolean; range: boolean;
  format: 'time_series' | 'table'; exemplar: boolean;
};
type PanelOf<Type, Options, Custom> = Omit<Written<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type; options: Partial<Written<Options>>; targets: Target[];
  fieldConfig: {
    defaults: Omit<Written<FieldConfig>, 'custom'> & { custom: Partial<Written<Custom>> };
    overrides: Array<{ matcher: MatcherConfig; properties: Array<{ id: string; value?: unknown }> }>;
  };
};
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Grafana's schema and the TypeScript compiler from npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("types")
    (folder / "package.json").write_text('{"private": true}')
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", *PACKAGES]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer within two minutes")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {' and '.join(PACKAGES)}: {done.stderr.strip().splitlines()[-1]}")
    return folder


def test_grafanas_own_types_accept_the_dashboards(packages: Path) -> None:
    lines = [HEAD]
    for name in PANELS.values():
        path = f"@grafana/schema/dist/types/raw/composable/{name.lower()}/panelcfg/x/{name}PanelCfg_types.gen"
        lines.append(f"import type * as {name} from '{path}';")
    for name, board in DASHBOARDS.items():
        rest = {
            key: value for key, value in board.items() if key not in ("panels", "templating", "annotations", "links")
        }
        lines.append(f"const {name}: Written<Dashboard> = {json.dumps(rest)};")
        lines.append(f"const {name}_links: Array<Written<DashboardLink>> = {json.dumps(board['links'])};")
        for at, variable in enumerate(board["templating"]["list"]):
            known = {key: value for key, value in variable.items() if key != "definition"}
            lines.append(f"const {name}_variable_{at}: Written<VariableModel> = {json.dumps(known)};")
        for at, note in enumerate(board["annotations"]["list"]):
            # What the Prometheus data source adds is not in the schema.
            known = {key: note[key] for key in ("name", "datasource", "enable", "hide", "iconColor")}
            lines.append(f"const {name}_annotation_{at}: Written<AnnotationQuery> = {json.dumps(known)};")
        for panel in board["panels"]:
            kind = PANELS[panel["type"]]
            custom = "{}" if panel["type"] in BARE else f"{kind}.FieldConfig"
            typed = f'PanelOf<"{panel["type"]}", {kind}.Options, {custom}>'
            lines.append(f"const {name}_panel_{panel['id']}: {typed} = {json.dumps(panel)};")
            for number, step in enumerate(panel.get("transformations", [])):
                said = json.dumps(step)
                lines.append(f"const {name}_{panel['id']}_step_{number}: Written<DataTransformerConfig> = {said};")
    stat = next(panel for board in DASHBOARDS.values() for panel in board["panels"] if panel["type"] == "stat")
    for wrong in ({"graphMode": "none", "grafMode": "none"}, {"graphMode": "sometimes"}):
        broken = json.dumps(stat | {"options": wrong})
        lines.append("// @ts-expect-error: the check itself is checked")
        lines.append(f'const broken_{len(lines)}: PanelOf<"stat", Stat.Options, {{}}> = {broken};')
    (packages / "check.ts").write_text("\n".join(lines) + "\n")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "node"]
    options += ["--target", "es2022"]
    compiler = packages / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        ["node", compiler, *options, "check.ts"], cwd=packages, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[:6000]
