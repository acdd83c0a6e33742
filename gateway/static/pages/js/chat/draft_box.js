// @ts-check
/** Keeps what is in the box as the draft of its conversation. */
import { useEffect, useRef } from "../ui.js";
import { knowReader, readDraft, saveDraft } from "./drafts.js";

/** @typedef {import("./open_thread.js").OpenThread} OpenThread */

const SAVE_MS = 300;

/**
 * @param {OpenThread} thread
 * @param {{current: HTMLTextAreaElement | null}} box
 * @param {() => void} onFill the box got another text
 */
export function useDraft(thread, box, onFill) {
  const held = useRef("");
  const fill = (/** @type {string} */ text) => {
    if (!box.current) return;
    box.current.value = text;
    saveDraft(thread.id, text);
    onFill();
  };
  useEffect(() => keepSaving(thread, box, held), [thread]);
  useEffect(() => {
    const restore = () => {
      const text = readDraft(thread.id);
      if (text && box.current && !box.current.value && !held.current) fill(text);
    };
    knowReader().then(restore, () => {});
  }, [thread]);
  useEffect(
    () =>
      thread.returned.watch(() => {
        const content = thread.returned.value?.content;
        held.current = "";
        if (content) fill(join(box.current?.value ?? "", content));
      }),
    [thread],
  );
  return {
    /** It is sent; until the server has it, it stays the draft. @param {string} text */
    hold(text) {
      held.current = text;
      saveDraft(thread.id, text);
    },
    /** It was not taken. @param {string} text */
    giveBack(text) {
      held.current = "";
      fill(join(text, box.current?.value ?? ""));
    },
  };
}

/** @param {string} one @param {string} other */
function join(one, other) {
  return [one, other].filter(Boolean).join("\n");
}

/**
 * @param {OpenThread} thread
 * @param {{current: HTMLTextAreaElement | null}} box
 * @param {{current: string}} held
 */
function keepSaving(thread, box, held) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let draftOf = thread.id;
  const element = box.current;
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    if (element) saveDraft(thread.id, element.value || held.current);
  };
  const input = () => (timer ??= setTimeout(save, SAVE_MS));
  const leave = () => timer && save();
  const watch = thread.view.watch(() => {
    if (!held.current || !isTaken(thread, held.current)) return;
    held.current = "";
    saveDraft(draftOf, "");
    draftOf = thread.id;
    save();
  });
  element?.addEventListener("input", input);
  addEventListener("pagehide", leave);
  return () => {
    leave();
    watch();
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
