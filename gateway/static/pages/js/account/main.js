// @ts-check
/** Starts the account page. */
import { html, render } from "../ui.js";
import { askJson } from "../api.js";
import { t } from "../words.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const me = await askJson("GET", "/api/auth/me");
root.replaceChildren();
render(html`<main><h1>${t("Hello, {name}", { name: me.username })}</h1></main>`, root);
