// @ts-check
/** Change the password. That ends every session, the page's own too: the page signs in again by itself. */
import { addressOf } from "../address.js";
import { html, useState } from "../ui.js";
import { ApiError, askJson } from "../api.js";
import { useStore } from "../store.js";
import { t } from "../words.js";
import { account } from "./account.js";
import { Field, FormEnd, onText, useSubmission } from "./form.js";
import { leaveNote } from "./notes.js";

export function PasswordForm() {
  const me = useStore(account);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [repeated, setRepeated] = useState("");
  const [mustSignIn, setMustSignIn] = useState(false);
  const form = useSubmission(async () => {
    if (next !== repeated) throw new ApiError(t("The two new passwords differ."), { param: "repeated" });
    const pair = await askJson("POST", "/api/auth/password", { body: { current, new: next } });
    await endSession(pair.refresh_token);
    if (!(await signInAgain(me.username, next))) return setMustSignIn(true);
    leaveNote("password");
    location.reload();
  });
  if (mustSignIn) return html`<${SignInPlease} />`;
  return html`<form onSubmit=${form.submit} onInput=${form.forget} aria-labelledby="password-title">
    <h3 id="password-title">${t("Password")}</h3>
    <p class="hint">${t("A new password ends your sessions everywhere else. API keys keep working.")}</p>
    ${/* For password managers: whose password it is. */ null}
    <span class="visually-hidden" aria-hidden="true">
      <input type="text" autocomplete="username" value=${me.username} readonly tabindex="-1" />
    </span>
    <${Field} id="current-password" label=${t("Current password")} type="password" autocomplete="current-password"
      required value=${current} onInput=${onText(setCurrent)} problem=${form.problemOf("current")} />
    <div class="field-pair">
      <${Field} id="new-password" label=${t("New password")} type="password" autocomplete="new-password" required
        value=${next} onInput=${onText(setNext)} problem=${form.problemOf("new")} />
      <${Field} id="repeated-password" label=${t("New password again")} type="password" autocomplete="new-password"
        required value=${repeated} onInput=${onText(setRepeated)} problem=${form.problemOf("repeated")} />
    </div>
    <${FormEnd} submission=${form} label=${t("Change password")} fields=${["current", "new", "repeated"]} />
  </form>`;
}

function SignInPlease() {
  return html`<div class="notice is-good notice-row" role="alert">
    <span>${t("Your password was changed. Please sign in with the new one.")}</span>
    <a href=${addressOf(`/sign-in/?next=${addressOf("/account/")}`)}>${t("Sign in")}</a>
  </div>`;
}

/**
 * The change answers a session for programs, which this page does not keep.
 * @param {string} refreshToken
 */
async function endSession(refreshToken) {
  const body = JSON.stringify({ refresh_token: refreshToken });
  await fetch(addressOf("/api/auth/logout"), { method: "POST", body, headers: { "Content-Type": "application/json" } }).catch(() => {});
}

/**
 * By the form of the page for signing in, whose cookie the page needs.
 * @param {string} username
 * @param {string} password
 * @returns {Promise<boolean>} whether it worked
 */
async function signInAgain(username, password) {
  try {
    const form = addressOf("/sign-in/");
    const page = new DOMParser().parseFromString(await (await fetch(form)).text(), "text/html");
    const token = /** @type {HTMLInputElement} */ (page.querySelector("[name=csrfmiddlewaretoken]")).value;
    const body = new URLSearchParams({ username, password, csrfmiddlewaretoken: token, next: addressOf("/account/") });
    const answer = await fetch(form, { method: "POST", body });
    return answer.ok && new URL(answer.url).pathname === addressOf("/account/");
  } catch {
    return false;
  }
}
