// @ts-check
/** Where the account is signed in. */
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { formatDate, t, tn } from "../words.js";
import { ConfirmDialog } from "./dialog.js";
import { useLoaded } from "./loading.js";
import { Section, Waiting } from "./section.js";
import { describeClient } from "./user_agents.js";

const FIRST = 5;

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {"tokens" | "cookie"} kind
 * @property {string} created_at
 * @property {string | null} last_used_at
 * @property {string} expires_at
 * @property {string} user_agent
 * @property {string | null} address
 * @property {boolean} is_current
 */

/** @returns {Promise<Session[]>} this one first, then as they were used */
async function loadSessions() {
  /** @type {Session[]} */
  const sessions = (await askJson("GET", "/api/auth/sessions")).data;
  return sessions.sort(
    (a, b) => Number(b.is_current) - Number(a.is_current) || lastUse(b).localeCompare(lastUse(a)),
  );
}

/** @param {Session} session */
function lastUse(session) {
  return session.last_used_at ?? session.created_at;
}

/** @param {string} id */
function endSession(id) {
  return askJson("DELETE", `/api/auth/sessions/${id}`);
}

export function Sessions() {
  const { data, error, reload } = useLoaded(loadSessions);
  const [ending, setEnding] = useState(/** @type {Session[]} */ ([]));
  const others = (data ?? []).filter((session) => !session.is_current);
  const end = async () => {
    // One after another: should one be refused, those before it have ended all the same.
    try {
      for (const session of ending) await endSession(session.id);
    } finally {
      await reload();
    }
  };
  return html`<${Section} id="sessions" title=${t("Sessions")} intro=${t("Where you are signed in. End those that you do not know.")}>
    ${(error || !data) && html`<${Waiting} error=${error} reload=${reload} />`}
    ${data && html`<${SessionList} sessions=${data} onEnd=${(/** @type {Session} */ session) => setEnding([session])} />`}
    ${others.length > 1 && html`<p class="section-end">
      <button type="button" class="is-danger" onClick=${() => setEnding(others)}>${t("End all others")}</button>
    </p>`}
    ${ending.length > 0 && html`<${EndDialog} sessions=${ending} end=${end} onClose=${() => setEnding([])} />`}
  </${Section}>`;
}

/** @param {{sessions: Session[], onEnd: (session: Session) => void}} props the first few are shown, the others on demand */
function SessionList({ sessions, onEnd }) {
  const show = (/** @type {Session[]} */ some) =>
    some.map((session) => html`<${SessionRow} key=${session.id} session=${session} onEnd=${() => onEnd(session)} />`);
  const others = sessions.slice(FIRST);
  return html`<ul class="rows" aria-label=${t("Sessions")}>${show(sessions.slice(0, FIRST))}</ul>
    ${others.length > 0 && html`<details class="more">
      <summary>${tn("{count} more session", "{count} more sessions", others.length)}</summary>
      <ul class="rows">${show(others)}</ul>
    </details>`}`;
}

/** @param {{session: Session, onEnd: () => void}} props */
function SessionRow({ session, onEnd }) {
  const name = describeClient(session.user_agent);
  const about = [
    session.address,
    session.kind === "cookie" ? t("Browser") : t("Program"),
    t("signed in {when}", { when: formatDate(session.created_at) }),
  ];
  return html`<li class="row">
    <div class="row-text">
      <p class="row-title" title=${session.user_agent}>
        ${name} ${session.is_current && html`<span class="badge is-good">${t("This one")}</span>`}
      </p>
      <p class="hint">${t("Last used {when}", { when: formatDate(lastUse(session)) })}</p>
      <p class="hint">${about.filter(Boolean).join(" · ")}</p>
    </div>
    ${!session.is_current && html`<button type="button" onClick=${onEnd} aria-label=${t("End {name}", { name })}>${t("End")}</button>`}
  </li>`;
}

/** @param {{sessions: Session[], end: () => Promise<void>, onClose: () => void}} props */
function EndDialog({ sessions, end, onClose }) {
  const title = tn("End this session?", "End {count} sessions?", sessions.length);
  return html`<${ConfirmDialog} id="end-session" title=${title} action=${t("End")} act=${end} onClose=${onClose}>
    <p>${t("Whoever uses it has to sign in again. API keys keep working.")}</p>
  </${ConfirmDialog}>`;
}
