// What `gateway/tests/clients/cells.py` is for the clients in Python: the questions, and how results are told.
export const PARALLEL_STREAMS = 50;
export const SENTENCE_TOKENS = 12;
export const BUSY_TOKENS = 60;
export const TOOL_NAME = "get_weather";
export const TOOL_QUESTION = "Call the tool get_weather for Seoul.";
export const TOOL_RESULT = "14 degrees and rain";

export const target = JSON.parse(process.argv[2]);
export const pictureUrl = `data:image/png;base64,${target.picture_base64}`;
export const baseURL = `${target.url}/v1`;

export function check(isSo, what, seen) {
  if (!isSo) throw new Error(`expected ${what}, saw ${JSON.stringify(seen)?.slice(0, 800)}`);
}

export function checkPictureSeen(text) {
  check(/8/.test(text) && /6/.test(text) && /png/i.test(text), "a PNG of 8 by 6", text);
}

export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, and nothing was thrown");
}

export async function runCells(cells) {
  for (const [cell, run] of Object.entries(cells)) {
    if (!target.cells.includes(cell)) continue;
    let detail = "";
    try {
      await run();
    } catch (error) {
      detail = String(error?.stack ?? error).slice(0, 2000);
    }
    console.log(JSON.stringify({ cell, ok: detail === "", detail }));
  }
}
