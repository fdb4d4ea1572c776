// Under each drawn curve, one to be read value by value, where uPlot was packed in. Without it there is the table.
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const STROKES = { a: "--plot-a", b: "--plot-b", mean: "--ink" };

function joined(lines) {
  const times = [...new Set(lines.flatMap((line) => line.at))].sort((x, y) => x - y);
  const rows = lines.map((line) => {
    const values = new Map(line.at.map((at, n) => [at, line.values[n]]));
    return times.map((at) => values.get(at) ?? null);
  });
  return [times, ...rows];
}

function draw(figure, lines, unit) {
  const place = Object.assign(document.createElement("div"), { className: "curve" });
  const fold = document.createElement("details");
  fold.className = "plain fold";
  fold.append(Object.assign(document.createElement("summary"), { textContent: "Read the curve value by value" }), place);
  figure.append(fold);
  fold.addEventListener("toggle", () => plot(place, lines, unit), { once: true });
}

function plot(place, lines, unit) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 0.6 }, ticks: { show: false } };
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: 270,
      cursor: { drag: { x: true, y: false } },
      scales: { x: { time: true } },
      axes: [axis, { ...axis, size: 46 }],
      series: [
        { value: "{D} {MMM} {YYYY}" },
        ...lines.map((line) => ({
          label: line.name,
          stroke: colour(STROKES[line.style] ?? "--plot-a"),
          width: line.joined ? 2 : 0,
          spanGaps: true,
          points: { show: true, size: 6, fill: colour("--card") },
          value: (_, value) => (value === null ? "–" : `${value} ${unit}`),
        })),
      ],
    },
    joined(lines),
    place,
  );
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 270 })).observe(place);
}

for (const held of document.querySelectorAll("[data-curve]")) {
  const figure = document.getElementById(held.dataset.curve);
  const { lines, unit } = JSON.parse(held.dataset.series);
  if (figure && lines.length && globalThis.uPlot) draw(figure, lines, unit);
}
