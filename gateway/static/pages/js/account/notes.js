// @ts-check
/** What is to be said after the page was loaded anew, such as in another language. */

const NOTE = "account-note";

/** @typedef {"saved" | "password"} Note */

/** @param {Note} note */
export function leaveNote(note) {
  sessionStorage.setItem(NOTE, note);
}

/** The note that was left, once. */
export function takeNote() {
  const note = sessionStorage.getItem(NOTE);
  sessionStorage.removeItem(NOTE);
  return /** @type {Note | null} */ (note);
}
