// The Node SDKs of OpenAI and Anthropic, told of the node by their variables alone. Reports a JSON line for each check.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const MODEL = 'gpt-4o', CLAUDE = 'claude-sonnet-4-5', EXPECTED = process.env.CHECK_EXPECTED ?? '';
const openai = new OpenAI({ maxRetries: 0 }), anthropic = new Anthropic({ maxRetries: 0 });
const messages = [{ role: 'user', content: 'Say hello.' }];
const schema = {
  type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false,
};
const City = z.object({ name: z.string(), population: z.number() });

const ensure = (truth, message) => { if (!truth) throw new Error(message ?? 'not so'); };
const answered = (text) => ensure(text && text.includes(EXPECTED), `not the expected answer: ${text}`);
const calling = (tool, args) => `CALL_TOOL_B64 ${tool} ${Buffer.from(JSON.stringify(args)).toString('base64')}`;

async function runTools(options) {
  const seen = [];
  const tool = {
    name: 'get_weather', description: 'w', parameters: schema, parse: JSON.parse,
    function: ({ city }) => { seen.push(city); return 'sunny'; },
  };
  const content = calling('get_weather', { city: 'Oslo' });
  const runner = openai.chat.completions.runTools({
    model: MODEL, messages: [{ role: 'user', content }], tools: [{ type: 'function', function: tool }], ...options,
  });
  answered(await runner.finalContent());
  ensure(seen.join() === 'Oslo', `the tool was called with ${seen}`);
}

const checks = {
  async models() {
    const ids = [];
    for await (const model of openai.models.list()) ids.push(model.id);
    ensure(ids.length > 0);
  },
  async chat() {
    const answer = await openai.chat.completions.create({ model: MODEL, messages, max_tokens: 32 });
    answered(answer.choices[0].message.content);
    ensure(answer.usage.total_tokens > 0);
  },
  async chat_streamed() {
    let text = '', usage;
    const options = { model: MODEL, messages, max_tokens: 32, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await openai.chat.completions.create(options)) {
      text += chunk.choices[0]?.delta?.content ?? '';
      usage = chunk.usage ?? usage;
    }
    answered(text);
    ensure(usage, 'no usage');
  },
  async chat_stream_helper() {
    const stream = openai.chat.completions.stream({ model: MODEL, messages, max_tokens: 32 });
    answered((await stream.finalChatCompletion()).choices[0].message.content);
  },
  async completions() {
    const answer = await openai.completions.create({ model: 'gpt-3.5-turbo-instruct', prompt: 'Once', max_tokens: 32 });
    answered(answer.choices[0].text);
  },
  async embeddings() {
    const found = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'b'] });
    ensure(found.data.length === 2 && typeof found.data[0].embedding[0] === 'number');
  },
  async responses() {
    const answer = await openai.responses.create({ model: MODEL, input: 'Say hello.', max_output_tokens: 32 });
    answered(answer.output_text);
  },
  async responses_streamed() {
    const stream = openai.responses.stream({ model: MODEL, input: 'Say hello.', max_output_tokens: 32 });
    for await (const _ of stream);
    answered((await stream.finalResponse()).output_text);
  },
  async unknown_model() {
    const error = await openai.models.retrieve('no-such-model').then(() => undefined, (raised) => raised);
    ensure(error instanceof OpenAI.NotFoundError && error.error?.message, String(error));
  },
  async hang_up() {
    const stream = await openai.chat.completions.create({ model: MODEL, messages, max_tokens: 32, stream: true });
    for await (const _ of stream) { stream.controller.abort(); break; }
  },
  async message() {
    answered((await anthropic.messages.create({ model: CLAUDE, max_tokens: 32, messages })).content[0].text);
  },
  async message_streamed() {
    const message = await anthropic.messages.stream({ model: CLAUDE, max_tokens: 32, messages }).finalMessage();
    answered(message.content[0].text);
  },
  async count_tokens() {
    ensure((await anthropic.messages.countTokens({ model: CLAUDE, messages })).input_tokens > 0);
  },
};
const scripted = {
  async tools() { await runTools({}); },
  async tools_streamed() { await runTools({ stream: true }); },
  async json_schema() {
    const response_format = zodResponseFormat(City, 'city');
    const answer = await openai.chat.completions.parse({ model: MODEL, messages, response_format });
    ensure(answer.choices[0].message.parsed.name);
  },
  async message_tools_streamed() {
    const tools = [{ name: 'get_weather', input_schema: schema }], tool_choice = { type: 'any' };
    const stream = anthropic.messages.stream({ model: CLAUDE, max_tokens: 64, messages, tools, tool_choice });
    ensure((await stream.finalMessage()).content.at(-1).input.city);
  },
};

const only = (process.env.CHECK_ONLY ?? '').split(',').filter(Boolean);
let failed = 0;
for (const [check, run] of Object.entries({ ...checks, ...(EXPECTED ? scripted : {}) })) {
  if (only.length && !only.includes(check)) continue;
  const began = Date.now();
  let detail = '';
  try { await run(); } catch (error) { detail = String(error).replaceAll('\n', ' ').slice(0, 400) || 'failed'; }
  failed += detail ? 1 : 0;
  console.log(JSON.stringify({ check, passed: !detail, detail, seconds: (Date.now() - began) / 1000 }));
}
process.exit(failed ? 1 : 0);
