// @ts-check
/** Tabs of one browser tell each other which conversation changed. */

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("conversation-changed") : null;

/** @param {string} conversationId */
export function tellTabs(conversationId) {
  channel?.postMessage({ conversationId });
}

/**
 * @param {(conversationId: string) => void} listener
 * @returns {() => void} which ends it
 */
export function listenToTabs(listener) {
  /** @param {MessageEvent} event */
  const hear = (event) => {
    if (typeof event.data?.conversationId === "string") listener(event.data.conversationId);
  };
  channel?.addEventListener("message", hear);
  return () => channel?.removeEventListener("message", hear);
}
