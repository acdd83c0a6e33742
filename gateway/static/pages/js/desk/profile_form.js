// @ts-check
/**
 * The verdict of a profile's form while it is edited: what stands in the form is checked by the server after
 * a pause, and never saved. A suggestion's button fills the form in.
 */
import { t } from "../words.js";

/** How long nothing has to be typed before the form is checked, in milliseconds. */
const PAUSE_MS = 500;

/** @typedef {{line: string, report: string}} Parts HTML, made by the server */

class ProfileForm {
  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} line where the verdict stands in short
   * @param {HTMLElement} report where the whole report stands
   */
  constructor(form, line, report) {
    this.form = form;
    this.line = line;
    this.report = report;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {AbortController | null} */
    this.asking = null;
    form.addEventListener("input", () => this.checkSoon());
    form.addEventListener("change", () => this.checkSoon());
    report.addEventListener("click", (event) => this.fillIn(event));
    if (line.dataset.isStored === "yes") this.check();
  }

  checkSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE_MS);
  }

  async check() {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.line.setAttribute("aria-busy", "true");
    try {
      const parts = await this.ask(asking.signal);
      if (asking.signal.aborted) return;
      if (parts) this.show(parts);
    } catch {
      if (!asking.signal.aborted) this.line.textContent = t("The gateway does not answer, so there is no verdict.");
    }
    if (!asking.signal.aborted) this.line.removeAttribute("aria-busy");
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Parts | null>} null where the server said something else
   */
  async ask(signal) {
    const body = new FormData(this.form);
    const url = this.line.dataset.checkUrl ?? "";
    const answer = await fetch(url, { method: "POST", body, signal, redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 403) {
      this.line.textContent = t("You are signed out, so there is no verdict. Sign in again in another tab.");
      return null;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  /** @param {Parts} parts */
  show(parts) {
    if (this.line.innerHTML !== parts.line) this.line.innerHTML = parts.line;
    this.report.innerHTML = parts.report;
  }

  /** @param {Event} event */
  fillIn(event) {
    const button = event.target instanceof Element ? event.target.closest("button[data-changes]") : null;
    if (!(button instanceof HTMLButtonElement)) return;
    /** @type {Record<string, string | number | boolean | object>} */
    const changes = JSON.parse(button.dataset.changes ?? "{}");
    for (const [name, value] of Object.entries(changes)) {
      const field = this.form.elements.namedItem(name);
      if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = value === true;
      else if (field instanceof HTMLTextAreaElement) field.value = JSON.stringify(value);
      else if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = String(value);
    }
    this.check();
    this.line.focus();
  }
}

const form = document.getElementById("modelprofile_form");
const line = document.getElementById("profile-verdict");
const report = document.querySelector(".field-fit_report .readonly");
if (form instanceof HTMLFormElement && line && report instanceof HTMLElement) new ProfileForm(form, line, report);
