// @ts-check
/** uPlot, loaded when there is something to draw, and what every chart does beside drawing. */
import { theme } from "./theme_choice.js";

/** @typedef {typeof import("../../vendor/uplot/uPlot.js").default} Plotter */

/** @type {Promise<Plotter> | null} */
let loading = null;

/** uPlot and its style sheet, once for the page. */
export function loadPlot() {
  loading ??= (async () => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL("../../vendor/uplot/uPlot.css", import.meta.url).href;
    document.head.append(link);
    return (await import("../../vendor/uplot/uPlot.js")).default;
  })();
  return loading;
}

/**
 * The colours of the theme that is on, as uPlot draws on a canvas that knows of no custom properties.
 * @param {string} name of a custom property
 */
export function readColour(name) {
  // A custom property is both colours of light-dark(); one that is used is the colour that counts.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/**
 * Draw, and draw anew when the theme or the width changes.
 * @param {Plotter} Plot
 * @param {HTMLElement} element
 * @param {(width: number) => import("uplot").Options} describe
 * @param {import("uplot").AlignedData} first
 */
export function keepDrawn(Plot, element, describe, first) {
  let data = first;
  /** @type {InstanceType<Plotter> | null} */
  let plot = null;
  const draw = () => {
    plot?.destroy();
    plot = new Plot(describe(element.clientWidth), data, element);
  };
  const systemTheme = matchMedia("(prefers-color-scheme: dark)");
  const sizes = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: plot.height }));
  draw();
  sizes.observe(element);
  systemTheme.addEventListener("change", draw);
  const forgetTheme = theme.watch(draw);
  return {
    /** @param {import("uplot").AlignedData} next */
    setData(next) {
      data = next;
      plot?.setData(next);
    },
    end() {
      sizes.disconnect();
      systemTheme.removeEventListener("change", draw);
      forgetTheme();
      plot?.destroy();
    },
  };
}
