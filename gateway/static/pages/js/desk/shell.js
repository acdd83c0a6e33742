// @ts-check
/** What every page of the operators' desk does beyond Django's admin; all of it works without. */
import { offerThemes } from "../front/themes.js";

/** @param {HTMLDetailsElement} menu closes when something else is chosen, and by Escape */
function closeWhenLeft(menu) {
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
}

for (const menu of document.querySelectorAll("#desk-account, details.confirm")) {
  if (menu instanceof HTMLDetailsElement) closeWhenLeft(menu);
}
offerThemes();
