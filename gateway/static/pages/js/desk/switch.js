// @ts-check
/**
 * Keeps the page of a switch up to date, and finds lines in its log while one types. The server renders every
 * part; only parts that changed are replaced, so that a text that is being selected or a log that is being read
 * stays as it is.
 */

const PERIOD_MS = 1000;
const LONGEST_WAIT_MS = 10_000;
const TYPING_PAUSE_MS = 250;

/**
 * @typedef {object} Progress
 * @property {boolean} is_final
 * @property {Record<string, string>} parts
 */

/** @type {Map<string, string>} what was shown last, by the name of the part */
const shown = new Map();

/** @param {string} id */
function find(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/**
 * @param {string} name
 * @param {string} html
 */
function replacePart(name, html) {
  if (shown.get(name) === html) return;
  const part = find(`switch-${name}`);
  const log = part.querySelector("pre");
  const followsLog = log === null || log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const scrolledTo = log === null ? 0 : log.scrollTop;
  part.innerHTML = html;
  shown.set(name, html);
  const newLog = part.querySelector("pre");
  if (newLog !== null) newLog.scrollTop = followsLog ? newLog.scrollHeight : scrolledTo;
}

class SwitchPage {
  /** @param {HTMLElement} page */
  constructor(page) {
    this.page = page;
    this.notice = find("switch-notice");
    this.term = /** @type {HTMLInputElement} */ (find("switch-term"));
    this.isFinal = page.dataset.final === "yes";
    this.asked = 0;
  }

  start() {
    find("switch-search").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.refresh();
    });
    let typing = 0;
    this.term.addEventListener("input", () => {
      clearTimeout(typing);
      typing = window.setTimeout(() => void this.refresh(), TYPING_PAUSE_MS);
    });
    const log = document.querySelector("#switch-log pre");
    // What matters is at the end: what goes on, or why it ended.
    if (log !== null && this.term.value === "") log.scrollTop = log.scrollHeight;
    if (!this.isFinal) void this.keepFresh();
  }

  async keepFresh() {
    while (!this.isFinal) {
      if (!document.hidden) await this.refresh();
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }

  /** Asks for the parts; of several questions under way the last one is answered. */
  async refresh() {
    this.asked += 1;
    const number = this.asked;
    const url = new URL(this.page.dataset.progressUrl ?? "", location.href);
    if (this.term.value.trim() !== "") url.searchParams.set("q", this.term.value);
    let answer;
    /** @type {Progress} */
    let progress;
    try {
      const signal = AbortSignal.timeout(LONGEST_WAIT_MS);
      answer = await fetch(url, { redirect: "manual", cache: "no-store", signal });
      if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) {
        this.warn(this.page.dataset.signedOut);
        this.isFinal = true;
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      progress = await answer.json();
    } catch {
      this.warn(this.page.dataset.noAnswer);
      return;
    }
    if (number === this.asked) this.show(progress);
  }

  /** @param {Progress} progress */
  show(progress) {
    this.notice.hidden = true;
    for (const [name, html] of Object.entries(progress.parts)) replacePart(name, html);
    this.isFinal = progress.is_final;
  }

  /** @param {string | undefined} text */
  warn(text) {
    this.notice.textContent = text ?? "";
    this.notice.hidden = false;
  }
}

const page = document.getElementById("switch-page");
if (page !== null) new SwitchPage(page).start();
