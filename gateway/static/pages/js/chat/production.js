// @ts-check
/** virtual-core asks Node's `process` whether it is developed: there is none in a browser. Import this before it. */
/** @type {any} */ (globalThis).process ??= { env: { NODE_ENV: "production" } };
export {};
