// @ts-check
/** Light or dark: what the reader chose, in every tab; theme.js reads it before the first paint. */
import { Store } from "./store.js";

/** @typedef {"system" | "light" | "dark"} Theme */

const KEY = "theme";

/** @returns {Theme} */
function readTheme() {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export const theme = new Store(readTheme());

/** @param {Theme} wanted */
export function chooseTheme(wanted) {
  if (wanted === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  applyTheme();
}

function applyTheme() {
  const chosen = readTheme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  theme.set(chosen); // last: who watches it reads the colours that count from now on
}

addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) applyTheme();
});
