// @ts-check
/** How busy a slot's engine was in the last hour: small charts, which grow with each sample. */
import { keepDrawn, loadPlot, readColour } from "../plotting.js";
import { useStore } from "../store.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { formatDate, formatNumber, t } from "../words.js";
import { readHistory } from "./calls.js";
import { desk } from "./feed.js";

/** @typedef {import("./parts.js").LoadPoint} LoadPoint */
/**
 * A line of a chart.
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour a custom property
 * @property {(point: LoadPoint) => number | null} read
 */

const HEIGHT = 130;
const HOUR_MS = 3600 * 1000;
const FEW_VALUES = 40;

/** @param {{slot: string}} props */
export function LoadCharts({ slot }) {
  const [points, setPoints] = useState(/** @type {LoadPoint[] | null} */ (null));
  const [failed, setFailed] = useState(false);
  const latest = useStore(desk, (parts) => parts.load?.[slot]);
  useEffect(() => {
    readHistory(slot).then(setPoints, () => setFailed(true));
  }, [slot]);
  useEffect(() => {
    if (latest) setPoints((before) => before && addPoint(before, latest));
  }, [latest?.at]);
  if (failed) return html`<p class="quiet">${t("The last hour could not be loaded.")}</p>`;
  if (points === null) return html`<p class="quiet" role="status">${t("Loading the last hour…")}</p>`;
  if (points.length < 2) return html`<p class="quiet">${t("The last hour shows here as soon as there are figures of it.")}</p>`;
  const percent = (/** @type {LoadPoint} */ point) => point.kv_cache_usage === null ? null : point.kv_cache_usage * 100;
  return html`<div class="load-charts">
    <${LoadChart} title=${t("Requests")} points=${points} lines=${[
      { label: t("running"), colour: "--series-1", read: (/** @type {LoadPoint} */ point) => point.running },
      { label: t("waiting"), colour: "--series-4", read: (/** @type {LoadPoint} */ point) => point.waiting },
    ]} />
    <${LoadChart} title=${t("Tokens per second")} points=${points} lines=${[
      { label: t("in"), colour: "--series-2", read: (/** @type {LoadPoint} */ point) => point.prompt_tokens_per_s },
      { label: t("out"), colour: "--series-1", read: (/** @type {LoadPoint} */ point) => point.generation_tokens_per_s },
    ]} />
    <${LoadChart} title=${t("KV cache in use, in percent")} points=${points} lines=${[
      { label: t("in use"), colour: "--series-3", read: percent },
    ]} />
    <${LoadChart} title=${t("Time to first token, in seconds")} points=${points} lines=${[
      { label: t("in the mean"), colour: "--series-4", read: (/** @type {LoadPoint} */ point) => point.first_token_s },
    ]} />
  </div>`;
}

/** @param {LoadPoint[]} points @param {LoadPoint} latest */
function addPoint(points, latest) {
  const newest = points.at(-1);
  if (newest && newest.at >= latest.at) return points;
  const since = Date.parse(latest.at) - HOUR_MS;
  return [...points.filter((point) => Date.parse(point.at) >= since), latest];
}

/** @param {{title: string, points: LoadPoint[], lines: Line[]}} props */
function LoadChart({ title, points, lines }) {
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const drawn = useRef(/** @type {ReturnType<typeof keepDrawn> | null} */ (null));
  const shown = useRef(points);
  shown.current = points;
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let isOver = false;
    loadPlot().then((Plot) => {
      if (isOver) return;
      drawn.current = keepDrawn(Plot, element, (width) => describeChart(lines, width), align(shown.current, lines));
    }, () => {});
    return () => {
      isOver = true;
      drawn.current?.end();
      drawn.current = null;
    };
  }, []);
  useEffect(() => drawn.current?.setData(align(points, lines)), [points]);
  const most = Math.max(...points.flatMap((point) => lines.map((line) => line.read(point) ?? 0)));
  const about = t("Chart of the last hour: {title}. The highest value is {most}.", {
    title,
    most: formatNumber(most, { maximumFractionDigits: 2 }),
  });
  return html`<figure class="load-chart">
    <figcaption>
      <span>${title}</span>
      ${lines.length > 1 && html`<span class="legend">${lines.map((line) => html`<span class="key part-${line.colour.at(-1)}">${line.label}</span>`)}</span>`}
    </figcaption>
    <div ref=${frame} role="img" aria-label=${about}></div>
  </figure>`;
}

/** @param {LoadPoint[]} points @param {Line[]} lines @returns {import("uplot").AlignedData} */
function align(points, lines) {
  return /** @type {import("uplot").AlignedData} */ ([
    points.map((point) => Date.parse(point.at) / 1000),
    ...lines.map((line) => points.map(line.read)),
  ]);
}

/** @param {Line[]} lines @param {number} width @returns {import("uplot").Options} */
function describeChart(lines, width) {
  const axis = { stroke: readColour("--text-soft"), grid: { stroke: readColour("--line"), width: 1 }, ticks: { show: false } };
  const nameTime = (/** @type {number} */ seconds) => formatDate(new Date(seconds * 1000).toISOString(), { timeStyle: "short" });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: lastHour }, y: { range: fromZero } },
    axes: [
      { ...axis, space: 80, grid: { show: false }, size: 28, values: (_plot, moments) => moments.map(nameTime) },
      { ...axis, space: 28, size: 48, values: (_plot, values) => values.map((value) => formatNumber(value, { notation: "compact" })) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        ...{ label: line.label, stroke: readColour(line.colour), width: 2, spanGaps: true },
        // A value without neighbours is no line.
        points: { size: 4, fill: readColour(line.colour), show: hasFewValues },
      })),
    ],
  };
}

/** @type {(plot: {data: import("uplot").AlignedData}, line: number) => boolean} */
function hasFewValues(plot, line) {
  const values = plot.data[line] ?? [];
  return [...values].filter((value) => value !== null).length <= FEW_VALUES;
}

/** @type {(plot: unknown, low: number, high: number) => [number, number]} */
function lastHour() {
  const now = Date.now() / 1000;
  return [now - HOUR_MS / 1000, now];
}

/** @type {(plot: unknown, low: number, high: number) => [number, number]} */
function fromZero(_plot, _low, high) {
  return [0, Math.max(1, (high ?? 0) * 1.15)];
}
