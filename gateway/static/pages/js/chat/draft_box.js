// @ts-check
/** Keeps what is in the box, and what is attached to it, as the draft of its conversation. */
import { useEffect, useRef } from "../ui.js";
import { knowReader, readDraft, saveDraft } from "./drafts.js";

/**
 * @typedef {import("./open_thread.js").OpenThread} OpenThread
 * @typedef {import("./drafts.js").Draft} Draft
 * @typedef {import("./uploads.js").Uploads} Uploads
 *
 * @typedef {object} Desk what is written on
 * @property {OpenThread} thread
 * @property {{current: HTMLTextAreaElement | null}} box
 * @property {Uploads} uploads
 * @property {{current: Draft | null}} held what was sent, until the server has it
 */

const SAVE_MS = 300;

/**
 * @param {OpenThread} thread
 * @param {{current: HTMLTextAreaElement | null}} box
 * @param {Uploads} uploads
 * @param {() => void} onFill the box got another text
 */
export function useDraft(thread, box, uploads, onFill) {
  const held = useRef(/** @type {Draft | null} */ (null));
  const desk = { thread, box, uploads, held };
  const fill = (/** @type {string} */ text) => {
    if (!box.current) return;
    box.current.value = text;
    save(desk, thread.id);
    onFill();
  };
  useEffect(() => keepSaving(desk), [thread]);
  useEffect(() => {
    const restore = () => {
      const { text, files } = readDraft(thread.id);
      if (held.current) return;
      if (files.length) uploads.recall(files);
      if (text && box.current && !box.current.value) fill(text);
    };
    knowReader().then(restore, () => {});
  }, [thread]);
  /** @param {Draft} draft */
  const giveBack = ({ text, files }) => {
    held.current = null;
    uploads.restore(files);
    if (text) fill(join(text, box.current?.value ?? ""));
  };
  useEffect(
    () =>
      thread.returned.watch(() => {
        const { content, files } = thread.returned.value ?? { content: "", files: [] };
        giveBack({ text: content, files });
      }),
    [thread],
  );
  return {
    /** It is sent; until the server has it, it stays the draft. @param {Draft} draft */
    hold(draft) {
      held.current = draft;
      saveDraft(thread.id, draft);
    },
    /** It was not taken. */
    giveBack,
  };
}

/** @param {string} one @param {string} other */
function join(one, other) {
  return [one, other].filter(Boolean).join("\n");
}

/** @param {Desk} desk @param {string | null} conversationId */
function save({ box, uploads, held }, conversationId) {
  const files = uploads.parts.length ? uploads.parts : (held.current?.files ?? []);
  saveDraft(conversationId, { text: box.current?.value || held.current?.text || "", files });
}

/** @param {Desk} desk */
function keepSaving(desk) {
  const { thread, uploads, held } = desk;
  const element = desk.box.current;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let draftOf = thread.id;
  const saveNow = () => {
    clearTimeout(timer);
    timer = undefined;
    if (element) save({ ...desk, box: { current: element } }, thread.id);
  };
  const input = () => (timer ??= setTimeout(saveNow, SAVE_MS));
  const leave = () => timer && saveNow();
  const endWatching = thread.view.watch(() => {
    if (!held.current || !isTaken(thread, held.current.text)) return;
    held.current = null;
    saveDraft(draftOf, { text: "", files: [] });
    draftOf = thread.id;
    saveNow();
  });
  const endWatchingFiles = uploads.list.watch(saveNow);
  element?.addEventListener("input", input);
  addEventListener("pagehide", leave);
  return () => {
    leave();
    endWatching();
    endWatchingFiles();
    element?.removeEventListener("input", input);
    removeEventListener("pagehide", leave);
  };
}

/** Whether the server has the message: its answer has an id. @param {OpenThread} thread @param {string} text */
function isTaken(thread, text) {
  const { items } = thread.view.value;
  const question = items.findLastIndex((item) => item.message.role === "user" && item.message.content === text);
  return question >= 0 && Boolean(items[question + 1]?.message.id);
}
