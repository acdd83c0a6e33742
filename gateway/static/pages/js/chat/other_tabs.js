// @ts-check
/**
 * Tells the reader's other tabs what changed. Ids alone: each tab reads them with its own token, so that a
 * tab of another account learns nothing.
 */

/** @typedef {{conversation: string} | {removed: string} | {folders: true}} Change */

const channel = new BroadcastChannel("chat");

/** @param {string} id */
export function announceChange(id) {
  channel.postMessage(/** @type {Change} */ ({ conversation: id }));
}

/** @param {string} id of one that was deleted */
export function announceRemoval(id) {
  channel.postMessage(/** @type {Change} */ ({ removed: id }));
}

export function announceFolders() {
  channel.postMessage(/** @type {Change} */ ({ folders: true }));
}

/**
 * @param {(change: Change) => void} hear
 * @returns {() => void} which ends it
 */
export function hearOtherTabs(hear) {
  const listen = (/** @type {MessageEvent} */ event) => hear(event.data);
  channel.addEventListener("message", listen);
  return () => channel.removeEventListener("message", listen);
}
