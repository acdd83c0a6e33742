// openai-node.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
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

const client = new OpenAI({ baseURL, apiKey: target.key });
const city = { type: "string", enum: ["Seoul", "Busan"] };
const parameters = { type: "object", properties: { city }, required: ["city"], additionalProperties: false };
const tools = [{ type: "function", function: { name: TOOL_NAME, parameters } }];
const Paint = z.strictObject({ colour: z.enum(["red", "green"]), is_dry: z.boolean() });

function hello(more = {}) {
  const messages = [{ role: "user", content: "Hello" }];
  return { model: target.model, messages, max_tokens: SENTENCE_TOKENS, temperature: 0, ...more };
}

async function readStream(body) {
  let text = "";
  let usage = null;
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, usage };
}

await runCells({
  async list() {
    const ids = [];
    for await (const model of await client.models.list()) ids.push(model.id);
    check(ids.includes(target.model), "the model", ids);
  },
  async chat() {
    const answer = await client.chat.completions.create(hello());
    check(answer.choices[0].message.content, "a text", answer);
    check(answer.usage.completion_tokens === SENTENCE_TOKENS, "its tokens", answer.usage);
  },
  async stream_usage() {
    const seen = await readStream(hello({ stream_options: { include_usage: true } }));
    check(seen.text && seen.usage?.completion_tokens === SENTENCE_TOKENS, "a text with usage", seen);
  },
  async tools_auto() {
    const messages = [{ role: "user", content: TOOL_QUESTION }];
    const ask = () => client.chat.completions.create(hello({ messages, tools, max_tokens: 200 }));
    const asked = (await ask()).choices[0].message;
    check(asked.tool_calls?.length === 1, "one call", asked);
    messages.push(asked, { role: "tool", tool_call_id: asked.tool_calls[0].id, content: TOOL_RESULT });
    const told = await ask();
    check(told.choices[0].message.content?.includes(TOOL_RESULT), "the tool's result", told);
  },
  async tools_required() {
    const ask = hello({ tools, tool_choice: "required", max_tokens: 200 });
    const whole = await client.chat.completions.create(ask);
    const streamed = await client.chat.completions.stream(ask).finalChatCompletion();
    for (const answer of [whole, streamed]) {
      const call = answer.choices[0].message.tool_calls?.[0];
      check(call?.function.name === TOOL_NAME && "city" in JSON.parse(call.function.arguments), "a call", answer);
    }
  },
  async json_schema() {
    const format = zodResponseFormat(Paint, "paint");
    const answer = await client.chat.completions.parse(hello({ response_format: format, max_tokens: 200 }));
    check(Paint.parse(answer.choices[0].message.parsed), "an object", answer);
  },
  async image() {
    const parts = [
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: pictureUrl } },
    ];
    const messages = [{ role: "user", content: parts }];
    const answer = await client.chat.completions.create(hello({ messages, max_tokens: 200 }));
    checkPictureSeen(answer.choices[0].message.content);
  },
  async embeddings() {
    const input = ["a licence", "허락"];
    const answer = await client.embeddings.create({ model: target.embedding_model, input });
    const [first, second] = answer.data.map((item) => item.embedding);
    check(first.length > 1 && first.length === second.length && String(first) !== String(second), "two vectors", first.length);
  },
  async responses() {
    const ask = { model: target.model, input: "Hello", max_output_tokens: SENTENCE_TOKENS };
    const answer = await client.responses.create(ask);
    check(answer.output_text && answer.usage, "a text with usage", answer);
    const streamed = await client.responses.stream(ask).finalResponse();
    check(streamed.output_text, "a streamed text", streamed);
  },
  async errors() {
    const stranger = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    const badKey = await errorOf(stranger.models.list());
    const unknown = await errorOf(client.chat.completions.create(hello({ model: "gpt-9" })));
    const bad = await errorOf(client.chat.completions.create(hello({ temperature: 9 })));
    check(badKey instanceof OpenAI.AuthenticationError, "AuthenticationError", badKey);
    check(unknown instanceof OpenAI.NotFoundError && unknown.code === "model_not_found", "NotFoundError", unknown);
    check(bad instanceof OpenAI.BadRequestError && bad.param === "temperature", "BadRequestError", bad);
  },
  async retry() {
    const busy = new OpenAI({ baseURL, apiKey: target.busy_key });
    const ask = () => busy.chat.completions.create(hello({ max_tokens: BUSY_TOKENS }));
    const answers = await Promise.all([ask(), ask()]);
    check(answers.every((answer) => answer.choices[0].message.content), "two answers", answers);
  },
  async parallel() {
    const seen = await Promise.all(Array.from({ length: PARALLEL_STREAMS }, () => readStream(hello())));
    check(seen.every(({ text }) => text), `${PARALLEL_STREAMS} texts`, seen);
  },
});
