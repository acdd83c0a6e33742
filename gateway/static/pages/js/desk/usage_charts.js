// @ts-check
/** Tokens and requests by day: bars and lines of what the page holds as numbers, with the words that came with it. */
import { keepDrawn, loadPlot, readColour } from "../plotting.js";
import { formatDate, formatNumber } from "../words.js";

/** @typedef {{name: string, tokens: number[], requests: number[]}} UsageLine */
/** @typedef {{day: string, days: string[], lines: UsageLine[]}} UsageChartData `day`: the word */
/** @typedef {import("../plotting.js").Plotter} Plotter */

const HEIGHT = 260;
const HALF_DAY_S = 12 * 3600;
const NAMED_COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4"];
const COLOUR_OF_THE_REST = "--line-strong";
/** Beside the colours, for those who do not tell them apart. */
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 8]];

/** @type {UsageChartData} */
const data = JSON.parse(document.getElementById("usage-chart-data")?.textContent ?? "");

/** @param {number} index */
function colourOf(index) {
  return readColour(NAMED_COLOURS[index] ?? COLOUR_OF_THE_REST);
}

/** @param {number} seconds */
function nameDay(seconds) {
  return formatDate(new Date(seconds * 1000).toISOString(), { month: "short", day: "numeric", timeZone: "UTC" });
}

/** @type {(plot: unknown, low: number, high: number) => [number, number]} */
function fromZero(_plot, _low, high) {
  return [0, Math.max(1, high * 1.1)];
}

/** @type {(plot: unknown, low: number, high: number) => [number, number]} */
function withHalfDays(_plot, low, high) {
  return [low - HALF_DAY_S, high + HALF_DAY_S];
}

/**
 * What charts of days have in common. The legend shows the line's own numbers, whatever is drawn.
 * @param {Plotter} Plot
 * @param {number} width
 * @param {(line: UsageLine) => number[]} read
 * @param {(line: UsageLine, index: number) => import("uplot").Series} drawLine
 * @returns {import("uplot").Options}
 */
function describeChart(Plot, width, read, drawLine) {
  const axis = { stroke: readColour("--text-soft"), grid: { stroke: readColour("--line"), width: 1 }, ticks: { show: false } };
  const showNumbers = (/** @type {unknown} */ _plot, /** @type {number[]} */ values) =>
    values.map((value) => (Number.isInteger(value) ? formatNumber(value, { notation: "compact" }) : ""));
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: withHalfDays }, y: { range: fromZero } },
    axes: [
      { ...axis, space: 72, grid: { show: false }, values: (_plot, moments) => moments.map(nameDay) },
      { ...axis, size: 60, values: showNumbers },
    ],
    series: [
      { label: data.day, value: (_plot, moment) => (moment === null ? "–" : nameDay(moment)) },
      ...data.lines.map((line, index) => ({
        label: line.name,
        value: (/** @type {unknown} */ _plot, /** @type {unknown} */ _value, /** @type {unknown} */ _series, /** @type {number | null} */ day) =>
          day === null ? "–" : formatNumber(read(line)[day]),
        ...drawLine(line, index),
      })),
    ],
  };
}

/** @returns {number[]} */
function moments() {
  return data.days.map((day) => Date.parse(day) / 1000);
}

/**
 * Bars on top of each other: each line's bars reach from the ground to the sum of it and those after it, and the
 * next ones are drawn over them.
 * @param {Plotter} Plot
 * @param {HTMLElement} element
 */
function drawTokens(Plot, element) {
  const sums = data.lines.map((_line, index) =>
    data.days.map((_day, day) => data.lines.slice(index).reduce((sum, line) => sum + line.tokens[day], 0)),
  );
  keepDrawn(
    Plot,
    element,
    (width) =>
      describeChart(Plot, width, (line) => line.tokens, (_line, index) => ({
        ...{ stroke: colourOf(index), fill: colourOf(index), points: { show: false } },
        paths: Plot.paths.bars?.({ size: [0.7, 40] }),
      })),
    /** @type {import("uplot").AlignedData} */ ([moments(), ...sums]),
  );
}

/** @param {Plotter} Plot @param {HTMLElement} element */
function drawRequests(Plot, element) {
  keepDrawn(
    Plot,
    element,
    (width) =>
      describeChart(Plot, width, (line) => line.requests, (_line, index) => ({
        ...{ stroke: colourOf(index), width: 2, dash: DASHES[index], points: { show: true, size: 5, fill: colourOf(index) } },
      })),
    /** @type {import("uplot").AlignedData} */ ([moments(), ...data.lines.map((line) => line.requests)]),
  );
}

async function draw() {
  const Plot = await loadPlot();
  const tokens = document.getElementById("tokens-chart");
  const requests = document.getElementById("requests-chart");
  if (tokens) drawTokens(Plot, tokens);
  if (requests) drawRequests(Plot, requests);
}

draw().catch(() => {
  const notice = document.getElementById("usage-chart-failed");
  if (notice) notice.hidden = false;
});
