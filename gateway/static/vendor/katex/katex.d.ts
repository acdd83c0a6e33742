// The copied file defines `katex` on globalThis; see js/chat/maths.js.
import katex from "katex";
declare global {
  var katex: typeof import("katex").default;
}
export {};
