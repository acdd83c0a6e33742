// Loaded in the head, before the first paint: what the reader chose, else what the system prefers.
"use strict";
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
