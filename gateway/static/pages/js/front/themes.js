// @ts-check
/** The choice between light, dark and what the system prefers; `theme.js` applies it to each page. */

export function offerThemes() {
  const choice = document.getElementById("theme");
  if (!(choice instanceof HTMLSelectElement) || !choice.parentElement) return;
  choice.parentElement.hidden = false;
  choice.value = localStorage.getItem("theme") ?? "";
  choice.addEventListener("change", () => {
    if (choice.value) {
      localStorage.setItem("theme", choice.value);
      document.documentElement.dataset.theme = choice.value;
    } else {
      localStorage.removeItem("theme");
      delete document.documentElement.dataset.theme;
    }
  });
}
