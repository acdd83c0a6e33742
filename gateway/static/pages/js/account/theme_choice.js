// @ts-check
/** Light, dark, or as the system prefers. */
import { useStore } from "../store.js";
import { chooseTheme, theme } from "../theme_choice.js";
import { html } from "../ui.js";
import { t } from "../words.js";

export function ThemeChoice() {
  const chosen = useStore(theme);
  const names = { system: t("Same as the system"), light: t("Light"), dark: t("Dark") };
  return html`<fieldset class="choice">
    <legend>${t("Appearance")}</legend>
    <div class="choice-row">
      ${/** @type {import("../theme_choice.js").Theme[]} */ (["system", "light", "dark"]).map(
        (value) => html`<label class="choice-item">
          <input type="radio" name="theme" value=${value} checked=${chosen === value} onChange=${() => chooseTheme(value)} />
          <span>${names[value]}</span>
        </label>`,
      )}
    </div>
    <p class="hint">${t("For this browser.")}</p>
  </fieldset>`;
}
