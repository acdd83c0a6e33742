// @ts-check
/** Light, dark, or as the system prefers: kept in this browser, applied by theme.js before the first paint. */
import { html, useState } from "../ui.js";
import { t } from "../words.js";

/** @typedef {"system" | "light" | "dark"} Theme */

/** Sent to the document when the theme changes, for what is painted by scripts. */
export const THEME_CHANGED = "themechanged";

/** @returns {Theme} */
function chosenTheme() {
  const chosen = localStorage.getItem("theme");
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

/** @param {Theme} theme */
function applyTheme(theme) {
  if (theme === "system") {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("theme", theme);
    document.documentElement.dataset.theme = theme;
  }
  document.dispatchEvent(new Event(THEME_CHANGED));
}

export function ThemeChoice() {
  const [theme, setTheme] = useState(chosenTheme());
  const names = { system: t("As the system"), light: t("Light"), dark: t("Dark") };
  /** @param {Theme} value */
  const choose = (value) => {
    applyTheme(value);
    setTheme(value);
  };
  return html`<fieldset class="choice">
    <legend>${t("Appearance")}</legend>
    <div class="choice-row">
      ${/** @type {Theme[]} */ (["system", "light", "dark"]).map(
        (value) => html`<label class="choice-item">
          <input type="radio" name="theme" value=${value} checked=${theme === value} onChange=${() => choose(value)} />
          <span>${names[value]}</span>
        </label>`,
      )}
    </div>
    <p class="hint">${t("For this browser.")}</p>
  </fieldset>`;
}
