// @ts-check
/** Cuts a text where what was searched begins and ends. */

/** @typedef {import("./search.js").Snippet} Snippet */

/**
 * The server counts characters, a script's strings count units of UTF-16: an emoji is one and two.
 * @param {Snippet} snippet
 * @returns {{text: string, isMatch: boolean}[]}
 */
export function cutByMatches({ text, matches }) {
  const characters = [...text];
  const pieces = [];
  let at = 0;
  for (const [start, end] of matches) {
    pieces.push({ text: characters.slice(at, start).join(""), isMatch: false });
    pieces.push({ text: characters.slice(start, end).join(""), isMatch: true });
    at = end;
  }
  pieces.push({ text: characters.slice(at).join(""), isMatch: false });
  return pieces.filter((piece) => piece.text);
}

/** @param {string} title @param {string} wanted @returns {Snippet} */
export function findInTitle(title, wanted) {
  const start = title.toLowerCase().indexOf(wanted.toLowerCase());
  if (start < 0) return { text: title, matches: [] };
  const before = [...title.slice(0, start)].length;
  return { text: title, matches: [[before, before + [...wanted].length]] };
}
