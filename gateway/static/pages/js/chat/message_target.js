// @ts-check
/** Leads to one message of a conversation, as a search found it: also far back, and on another branch. */
import { useEffect, useRef } from "../ui.js";
import { attempt } from "./branches.js";
import { chooseBranch } from "./turns.js";

/**
 * @param {import("./open_thread.js").OpenThread} thread
 * @param {import("./open_thread.js").View} view
 * @param {string | null | undefined} messageId
 * @param {(index: number) => void} show
 */
export function useTarget(thread, { items, hasEarlier, isLoading }, messageId, show) {
  /** How far the search for which message has come. */
  const search = useRef({ messageId: "", isShown: false, triedBranch: false });
  useEffect(() => {
    if (search.current.messageId !== messageId) {
      search.current = { messageId: messageId ?? "", isShown: false, triedBranch: false };
    }
    if (!messageId || isLoading || !items.length || search.current.isShown) return;
    const index = items.findIndex((item) => item.message.id === messageId);
    if (index >= 0) {
      search.current.isShown = true;
      show(index);
    } else if (hasEarlier) {
      void attempt(thread, () => thread.loadEarlier());
    } else if (!search.current.triedBranch) {
      search.current.triedBranch = true;
      void attempt(thread, () => chooseBranch(thread, messageId));
    }
  }, [thread, items, hasEarlier, isLoading, messageId]);
}
