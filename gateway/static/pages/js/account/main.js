// @ts-check
/** Starts the account page. */
import { html, render } from "../ui.js";
import { loadAccount } from "./account.js";
import { AccountPage } from "./page.js";
import { Waiting } from "./section.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

async function start() {
  try {
    await loadAccount();
  } catch (error) {
    root.replaceChildren();
    render(html`<main class="account-sections"><${Waiting} error=${error} reload=${() => location.reload()} /></main>`, root);
    return;
  }
  root.replaceChildren();
  render(html`<${AccountPage} />`, root);
  // The browser looked for the anchor before there was any section.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

await start();
