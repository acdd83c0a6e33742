// The official OpenAI SDK for JavaScript against a gateway. Prints one JSON object of what it saw.
// usage: node scenario.mjs BASE_URL TOKEN
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const hello = {
  model: "current",
  messages: [{ role: "user", content: "Hello" }],
  max_tokens: 12,
};

async function errorOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { type: error.constructor.name, status: error.status ?? null, code: error.code, param: error.param };
  }
}

async function streamOf(body) {
  let text = "";
  let usage = null;
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, usage };
}

const models = [];
for await (const model of await client.models.list()) models.push(model.id);

const plain = await client.chat.completions.create(hello);
const early = await client.chat.completions.create({
  ...hello,
  max_tokens: 2000,
  min_tokens: 2000,
  stream: true,
});
let seen = 0;
for await (const _chunk of early) {
  seen += 1;
  if (seen === 3) break; // leaving the loop aborts the request
}

console.log(
  JSON.stringify({
    models,
    plain: { text: plain.choices[0].message.content, usage: plain.usage },
    stream: await streamOf(hello),
    stream_with_usage: await streamOf({ ...hello, stream_options: { include_usage: true } }),
    seen_before_closing: seen,
    errors: {
      unknown_model: await errorOf(client.chat.completions.create({ ...hello, model: "gpt-9" })),
      bad_temperature: await errorOf(client.chat.completions.create({ ...hello, temperature: 9 })),
      bad_key: await errorOf(new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list()),
      cut_in_the_middle: await errorOf(
        streamOf({ ...hello, vllm_xargs: { sim_fault: "cut_mid_stream", sim_after: 3 } }),
      ),
    },
  }),
);
