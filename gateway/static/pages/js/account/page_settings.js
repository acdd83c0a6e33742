// @ts-check
/** What the server says of this installation, in the page itself. */

/**
 * @typedef {object} PageSettings
 * @property {boolean} sharedLinks
 */

/** @type {PageSettings} */
export const pageSettings = JSON.parse(document.getElementById("page-settings")?.textContent ?? "{}");
