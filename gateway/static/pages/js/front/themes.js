// @ts-check
/** The choice between light, dark and what the system prefers, on pages that are no scripts' own. */
import { chooseTheme, theme } from "../theme_choice.js";

export function offerThemes() {
  const choice = document.getElementById("theme");
  if (!(choice instanceof HTMLSelectElement) || !choice.parentElement) return;
  choice.parentElement.hidden = false;
  choice.value = theme.value === "system" ? "" : theme.value;
  choice.addEventListener("change", () => {
    chooseTheme(choice.value === "light" || choice.value === "dark" ? choice.value : "system");
  });
}
