// @ts-check
/** What the pages for signing in and up do beyond forms; they work without it. */
import { offerThemes } from "./themes.js";

/** @param {HTMLButtonElement} button shows and hides the password of the field that it controls */
function offerToShow(button) {
  const field = document.getElementById(button.getAttribute("aria-controls") ?? "");
  if (!(field instanceof HTMLInputElement)) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
    button.textContent = (isShown ? button.dataset.hide : button.dataset.show) ?? "";
  });
}

for (const button of document.querySelectorAll(".password-field button")) {
  if (button instanceof HTMLButtonElement) offerToShow(button);
}
offerThemes();
