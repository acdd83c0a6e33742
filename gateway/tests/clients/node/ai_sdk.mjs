// Vercel's AI SDK with `@ai-sdk/openai`, whose default class speaks `/v1/responses`.
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import {
  BUSY_TOKENS,
  PARALLEL_STREAMS,
  SENTENCE_TOKENS,
  TOOL_NAME,
  TOOL_QUESTION,
  TOOL_RESULT,
  baseURL,
  check,
  checkPictureSeen,
  errorOf,
  pictureUrl,
  runCells,
  target,
} from "./cells.mjs";

const openai = createOpenAI({ baseURL, apiKey: target.key });
const model = openai.chat(target.model);
const Paint = z.strictObject({ colour: z.enum(["red", "green"]), is_dry: z.boolean() });
const getWeather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.enum(["Seoul", "Busan"]) }),
  execute: async () => TOOL_RESULT,
});

function hello(more = {}) {
  return { model, prompt: "Hello", maxOutputTokens: SENTENCE_TOKENS, ...more };
}

async function readStream(settings) {
  let failure = null;
  const running = streamText({ ...settings, onError: ({ error }) => (failure = error) });
  let text = "";
  for await (const piece of running.textStream) text += piece;
  if (failure) throw failure;
  return { text, usage: await running.usage };
}

await runCells({
  async chat() {
    const answer = await generateText(hello());
    check(answer.text && answer.usage.outputTokens === SENTENCE_TOKENS, "a text with usage", answer.usage);
  },
  async stream_usage() {
    const seen = await readStream(hello());
    check(seen.text && seen.usage.outputTokens === SENTENCE_TOKENS, "a text with usage", seen);
  },
  async tools_auto() {
    const tools = { [TOOL_NAME]: getWeather };
    const settings = { tools, prompt: TOOL_QUESTION, maxOutputTokens: 200, stopWhen: stepCountIs(3) };
    const answer = await generateText(hello(settings));
    check(answer.steps.length === 2 && answer.text.includes(TOOL_RESULT), "the tool's result", answer.text);
  },
  async tools_required() {
    const tools = { [TOOL_NAME]: getWeather };
    const answer = await generateText(hello({ tools, toolChoice: "required", maxOutputTokens: 200 }));
    check(answer.toolCalls[0]?.toolName === TOOL_NAME, "a call", answer.toolCalls);
  },
  async json_schema() {
    const output = Output.object({ schema: Paint });
    const answer = await generateText(hello({ output, maxOutputTokens: 200 }));
    check(Paint.parse(answer.output), "an object", answer.text);
  },
  async image() {
    const content = [
      { type: "text", text: "What is it?" },
      { type: "image", image: pictureUrl },
    ];
    const messages = [{ role: "user", content }];
    checkPictureSeen((await generateText(hello({ prompt: undefined, messages, maxOutputTokens: 200 }))).text);
  },
  async embeddings() {
    const values = ["a licence", "허락"];
    const { embeddings } = await embedMany({ model: openai.embedding(target.embedding_model), values });
    const [first, second] = embeddings;
    check(first.length > 1 && first.length === second.length && String(first) !== String(second), "two vectors", first.length);
  },
  async responses() {
    const answer = await generateText(hello({ model: openai(target.model) }));
    const streamed = await readStream(hello({ model: openai(target.model) }));
    check(answer.text && answer.usage.outputTokens, "a text with usage", answer.usage);
    check(streamed.text, "a streamed text", streamed);
  },
  async errors() {
    const stranger = createOpenAI({ baseURL, apiKey: "wrong" }).chat(target.model);
    const badKey = await errorOf(generateText(hello({ model: stranger })));
    const unknown = await errorOf(generateText(hello({ model: openai.chat("gpt-9") })));
    const bad = await errorOf(generateText(hello({ temperature: 9 })));
    const errors = [badKey, unknown, bad];
    check(errors.every((error) => APICallError.isInstance(error)), "APICallError", errors);
    const seen = errors.map((error) => [error.statusCode, error.data?.error?.code]);
    check(seen[0][0] === 401 && seen[1][1] === "model_not_found" && seen[2][0] === 400, "codes", seen);
  },
  async retry() {
    const busy = createOpenAI({ baseURL, apiKey: target.busy_key }).chat(target.model);
    const ask = () => generateText(hello({ model: busy, maxOutputTokens: BUSY_TOKENS }));
    const answers = await Promise.all([ask(), ask()]);
    check(answers.every((answer) => answer.text), "two answers", answers);
  },
  async parallel() {
    const seen = await Promise.all(Array.from({ length: PARALLEL_STREAMS }, () => readStream(hello())));
    check(seen.every(({ text }) => text), `${PARALLEL_STREAMS} texts`, seen);
  },
});
