// @ts-check
/** Tokens and requests by day, drawn by uPlot, which is loaded when there is something to draw. */
import { keepDrawn, loadPlot, readColour } from "../plotting.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { formatDate, formatNumber, t } from "../words.js";
import { formatDay } from "./usage_tables.js";

/** @typedef {import("./usage.js").UsageRow & {day: string}} DayRow */

const HEIGHT = 240;
const HALF_DAY_S = 12 * 3600;

function readColours() {
  return {
    tokens: readColour("--accent"),
    requests: readColour("--warn"),
    text: readColour("--text-soft"),
    line: readColour("--line"),
  };
}

/**
 * @param {typeof import("../../../vendor/uplot/uPlot.js").default} Plot
 * @param {number} width
 * @returns {import("uplot").Options}
 */
function describeChart(Plot, width) {
  const colours = readColours();
  const axis = { stroke: colours.text, grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
  const showNumber = (/** @type {unknown} */ _plot, /** @type {number | null} */ value) => value === null ? "–" : formatNumber(value);
  const showNumbers = (/** @type {unknown} */ _plot, /** @type {number[]} */ values) =>
    values.map((value) => (Number.isInteger(value) ? formatNumber(value, { notation: "compact" }) : ""));
  const isoDay = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: withHalfDays }, tokens: { range: fromZero }, requests: { range: fromZero } },
    axes: [
      { ...axis, space: 72, grid: { show: false }, values: (_plot, moments) => moments.map(nameTick) },
      { ...axis, scale: "tokens", size: 60, values: showNumbers },
      { ...axis, scale: "requests", side: 1, size: 50, grid: { show: false }, values: showNumbers },
    ],
    series: [
      { label: t("Day"), value: (_plot, moment) => (moment === null ? "–" : formatDay(isoDay(moment))) },
      {
        ...{ label: t("Tokens"), scale: "tokens", value: showNumber, fill: colours.tokens, stroke: colours.tokens },
        ...{ paths: Plot.paths.bars?.({ size: [0.7, 40] }), points: { show: false } },
      },
      {
        ...{ label: t("Requests"), scale: "requests", value: showNumber, stroke: colours.requests, width: 2 },
        points: { show: true, size: 6, fill: colours.requests },
      },
    ],
  };
}

/** @type {(plot: unknown, low: number, high: number) => [number, number]} */
function fromZero(_plot, _low, high) {
  return [0, Math.max(1, high * 1.1)];
}

/**
 * The bars of the first and the last day are as wide as the others.
 * @type {(plot: unknown, low: number, high: number) => [number, number]}
 */
function withHalfDays(_plot, low, high) {
  return [low - HALF_DAY_S, high + HALF_DAY_S];
}

/** @param {number} seconds */
function nameTick(seconds) {
  return formatDate(new Date(seconds * 1000).toISOString(), { month: "short", day: "numeric", timeZone: "UTC" });
}

/** @param {{rows: DayRow[]}} props */
export function UsageChart({ rows }) {
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    let isOver = false;
    let end = () => {};
    loadPlot().then(
      (Plot) => {
        if (!isOver) end = keepDrawn(Plot, element, (width) => describeChart(Plot, width), alignRows(rows)).end;
      },
      () => setFailed(true),
    );
    return () => {
      isOver = true;
      end();
    };
  }, [rows]);
  const requests = Math.max(...rows.map((row) => row.requests));
  const tokens = Math.max(...rows.map((row) => row.total_tokens));
  const about = t("Chart of tokens and requests by day. Most on one day: {tokens} tokens, {requests} requests.", {
    tokens: formatNumber(tokens),
    requests: formatNumber(requests),
  });
  if (failed) return html`<p class="hint">${t("The chart could not be loaded. The numbers stand below.")}</p>`;
  return html`<div class="chart" ref=${frame} role="img" aria-label=${about}></div>`;
}

/** @param {DayRow[]} rows @returns {import("uplot").AlignedData} */
function alignRows(rows) {
  return [
    rows.map((row) => Date.parse(row.day) / 1000),
    rows.map((row) => row.total_tokens),
    rows.map((row) => row.requests),
  ];
}
