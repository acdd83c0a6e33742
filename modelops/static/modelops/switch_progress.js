"use strict";

// Keeps the page of a switch up to date. The server renders every part; only parts that changed are
// replaced, so that a text that is being selected or a log that is being read stays as it is.
(() => {
  const PERIOD_MS = 1000;
  const page = document.getElementById("switch-page");
  const notice = document.getElementById("switch-notice");

  function replacePart(name, html) {
    const part = document.getElementById(`switch-${name}`);
    if (part === null || part.dataset.shown === html) {
      return;
    }
    const log = part.querySelector("pre");
    const followsLog = log === null || log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    const scrolledTo = log === null ? 0 : log.scrollTop;
    part.innerHTML = html;
    part.dataset.shown = html;
    const newLog = part.querySelector("pre");
    if (newLog !== null) {
      newLog.scrollTop = followsLog ? newLog.scrollHeight : scrolledTo;
    }
  }

  function show(progress) {
    notice.hidden = true;
    for (const [name, html] of Object.entries(progress.parts)) {
      replacePart(name, html);
    }
    document.getElementById("switch-cancel").hidden = !progress.can_cancel;
  }

  function warn(text) {
    notice.textContent = text;
    notice.hidden = false;
  }

  // True when there is nothing more to wait for.
  async function refresh() {
    let answer;
    try {
      answer = await fetch(page.dataset.progressUrl, { redirect: "manual", cache: "no-store" });
    } catch {
      warn("The gateway does not answer. Trying again.");
      return false;
    }
    if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) {
      warn("You are signed out. Reload the page to sign in again.");
      return true;
    }
    if (!answer.ok) {
      warn(`The gateway answered with ${answer.status}. Trying again.`);
      return false;
    }
    const progress = await answer.json();
    show(progress);
    return progress.is_final;
  }

  async function keepFresh() {
    while (!(await refresh())) {
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }

  if (page !== null && page.dataset.final === "no") {
    keepFresh();
  }
})();
