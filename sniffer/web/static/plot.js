// Draws an upload's bytes over time with uPlot, to zoom and read off. Without it the server's picture stays.
function draw(figure) {
  const bins = figure.dataset.bins.split(",").map(Number);
  const each = Number(figure.dataset.seconds);
  const body = (figure.dataset.body || "").split(",").map(Number);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const times = bins.map((_, place) => place * each);
  const paced = bins.map((value, place) => (body.length === 2 && place >= body[0] && place < body[1] ? value : null));
  const rest = bins.map((value, place) => (paced[place] === null ? value : null));
  const bars = uPlot.paths.bars({ size: [0.8, 60] });
  const plot = document.createElement("div");
  plot.className = "plot";
  figure.insertBefore(plot, figure.querySelector("figcaption"));
  figure.classList.add("has-plot");
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const options = {
    width: figure.clientWidth,
    height: 240,
    scales: { x: { time: false, range: (chart, low, high) => [Math.max(0, low - each / 2), high + each / 2] }, y: { range: (chart, low, high) => [0, Math.max(high, 1) * 1.05] } },
    series: [
      { label: figure.dataset.labelTime, value: (chart, value) => (value === null ? "–" : `${value.toFixed(2)} s`) },
      { label: figure.dataset.labelPaced, fill: colour("--accent"), stroke: colour("--accent"), width: 0, paths: bars, points: { show: false } },
      { label: figure.dataset.labelRest, fill: colour("--none"), stroke: colour("--none"), width: 0, paths: bars, points: { show: false } },
    ],
    axes: [{ ...axis, values: (chart, values) => values.map((value) => `${value} s`) }, { ...axis, size: 64, values: (chart, values) => values.map((value) => value.toLocaleString(document.documentElement.lang)) }],
    cursor: { drag: { x: true, y: false } },
  };
  const chart = new uPlot(options, [times, paced, rest], plot);
  new ResizeObserver(() => chart.setSize({ width: figure.clientWidth, height: 240 })).observe(figure);
}

for (const figure of document.querySelectorAll("[data-bins]")) if (figure.dataset.bins && window.uPlot) draw(figure);
