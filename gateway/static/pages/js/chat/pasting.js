// @ts-check
/** What is pasted into the box. */

/** Characters from which the browser's own way takes seconds: its time grows with the square of the lines. */
const LONG = 20_000;

/**
 * Put a long text into the box at once. The browser cannot undo that, which it could not do with ease either.
 * @param {ClipboardEvent} event
 */
export function pasteLongText(event) {
  const box = event.target;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (text.length < LONG || !(box instanceof HTMLTextAreaElement)) return;
  event.preventDefault();
  box.setRangeText(text.replace(/\r\n?/g, "\n"), box.selectionStart, box.selectionEnd, "end");
  box.dispatchEvent(new Event("input", { bubbles: true }));
}
