// @ts-check
/**
 * The end of a text that is being written, as it will most likely read in a moment: what is shown does not jump
 * from a list's dash to a heading, or from the line of a table to a paragraph and back.
 */

/** A line that has only begun: marks that mean something else with what follows them. */
const BEGUN_LINE = /(^|\n)[ \t]*(?:[-=*+_`~$#>|:]{1,2}|\d{1,3}[.)]?)[ \t]*$/;
const FENCE = /^\s*(?:```|~~~)/;
const PART_OF_DELIMITERS = /^[\s|:-]*$/;

/** @param {string} text from the beginning of a block @returns {string} */
export function settle(text) {
  return completeTable(text.replace(BEGUN_LINE, "$1"));
}

/** A table from its first line on, which Markdown knows by its second. @param {string} text */
function completeTable(text) {
  if (FENCE.test(text)) return text;
  const blank = text.lastIndexOf("\n\n");
  const start = blank < 0 ? 0 : blank + 2;
  const [header, delimiters, more] = text.slice(start).split("\n");
  if (!header.trimStart().startsWith("|") || more !== undefined) return text;
  if (delimiters !== undefined && !PART_OF_DELIMITERS.test(delimiters)) return text;
  const columns = header.trim().replace(/\|$/, "").split(/(?<!\\)\|/).length - 1;
  return columns > 0 ? `${text.slice(0, start)}${header}\n|${"---|".repeat(columns)}` : text;
}
