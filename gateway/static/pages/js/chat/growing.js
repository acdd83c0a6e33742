// @ts-check
/** A box to write in that is as high as its text, up to the bound of its style sheet. */

/** Characters above which the text fills any box: measuring it would only cost time. */
const SURELY_FULL = 20_000;

/** @param {HTMLTextAreaElement} box */
export function growToFit(box) {
  if (box.value.length > SURELY_FULL) {
    box.style.setProperty("--text-height", "100vh");
    return;
  }
  box.style.setProperty("--text-height", "0px");
  box.style.setProperty("--text-height", `${box.scrollHeight}px`);
}
