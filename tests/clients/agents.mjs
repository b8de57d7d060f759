// The JavaScript agents SDK against the server, by the Responses API and by Chat Completions.
import assert from "node:assert/strict";
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

setTracingDisabled(true);
const [url] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "unused", maxRetries: 0 });

for (const [api, model] of [
  ["responses", new OpenAIResponsesModel(client, "scripted")],
  ["chat", new OpenAIChatCompletionsModel(client, "scripted")],
]) {
  const given = [];
  const add = tool({
    name: "add", description: "Adds.", parameters: z.object({ a: z.number().int() }),
    execute: async ({ a }) => { given.push(a); return "two"; },
  });
  const agent = new Agent({ name: "Assistant", instructions: "Use the tool.", model, tools: [add] });
  const done = await run(agent, "use the tool");
  assert.equal(done.finalOutput, "It is two.");
  assert.deepEqual(given, [1]);
  console.log(`agents (JavaScript), ${api}: a tool`);
  const again = await run(agent, [...done.history, { role: "user", content: "plain" }]);
  assert.equal(again.finalOutput, "Hello there.");
  console.log(`agents (JavaScript), ${api}: a second turn`);
  const streamed = await run(agent, "use the tool", { stream: true });
  for await (const event of streamed) void event;
  await streamed.completed;
  assert.equal(streamed.finalOutput, "It is two.");
  console.log(`agents (JavaScript), ${api}: streamed`);
}
process.exit(0);
