// The official JavaScript client against the server: prints a line for each case, and fails at the first that is wrong.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [url] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "unused", maxRetries: 0 });
const model = "scripted";
const tool = {
  type: "function", name: "add", description: "Adds.", strict: true,
  parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"], additionalProperties: false },
};

const cases = {
  async "models"() {
    const { data } = await client.models.list();
    assert.deepEqual(data.map((one) => one.id), [model]);
  },
  async "a response"() {
    const answer = await client.responses.create({ model, input: "plain" });
    assert.equal(answer.output_text, "Hello there.");
    assert.deepEqual(answer.output.map((item) => item.type), ["reasoning", "message"]);
  },
  async "a stream"() {
    const stream = client.responses.stream({ model, input: "plain" });
    let text = "", next = 0;
    for await (const event of stream) {
      assert.equal(event.sequence_number, next++);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const answer = await stream.finalResponse();
    assert.equal(text, "Hello there.");
    assert.equal(answer.output_text, text);
  },
  async "a tool loop with previous_response_id"() {
    const first = await client.responses.create({ model, input: "use the tool", tools: [tool] });
    const call = first.output.find((item) => item.type === "function_call");
    assert.deepEqual([call.name, JSON.parse(call.arguments)], ["add", { a: 1 }]);
    const output = { type: "function_call_output", call_id: call.call_id, output: "two" };
    const second = await client.responses.create({ model, previous_response_id: first.id, input: [output], tools: [tool] });
    assert.equal(second.output_text, "It is two.");
  },
  async "a tool loop that sends everything back"() {
    const input = [{ role: "user", content: "use the tool" }];
    const first = await client.responses.create({ model, input, tools: [tool], store: false, include: ["reasoning.encrypted_content"] });
    const call = first.output.find((item) => item.type === "function_call");
    input.push(...first.output, { type: "function_call_output", call_id: call.call_id, output: "two" });
    const second = await client.responses.create({ model, input, tools: [tool], store: false });
    assert.equal(second.output_text, "It is two.");
  },
  async "structured output"() {
    const schema = { type: "object", properties: { n: { type: "integer", enum: [42] } }, required: ["n"], additionalProperties: false };
    const answer = await client.responses.parse({ model, input: "plain", text: { format: { type: "json_schema", name: "n", strict: true, schema } } });
    assert.deepEqual(JSON.parse(answer.output_text), { n: 42 });
  },
  async "incomplete"() {
    const answer = await client.responses.create({ model, input: "plain", max_output_tokens: 12 });
    assert.equal(answer.status, "incomplete");
    assert.equal(answer.incomplete_details.reason, "max_output_tokens");
  },
  async "retrieve, input items, delete"() {
    const answer = await client.responses.create({ model, input: "plain" });
    assert.equal((await client.responses.retrieve(answer.id)).output_text, "Hello there.");
    const items = await client.responses.inputItems.list(answer.id);
    assert.equal(items.data[0].content[0].text, "plain");
    await client.responses.delete(answer.id);
    await assert.rejects(client.responses.retrieve(answer.id), OpenAI.NotFoundError);
  },
  async "errors"() {
    const wrong = client.responses.create({ model, input: "x", temperature: 7 });
    await assert.rejects(wrong, (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature" && e.code === "invalid_value");
    await assert.rejects(client.responses.create({ model: "gpt-5", input: "x" }), OpenAI.NotFoundError);
  },
  async "chat, streamed, with a tool"() {
    const messages = [{ role: "user", content: "use the tool" }];
    const { name, description, parameters } = tool;
    const tools = [{ type: "function", function: { name, description, parameters, strict: true } }];
    const first = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
    const [choice] = first.choices;
    assert.equal(choice.finish_reason, "tool_calls");
    messages.push(choice.message, { role: "tool", tool_call_id: choice.message.tool_calls[0].id, content: "two" });
    const second = await client.chat.completions.create({ model, messages, tools });
    assert.equal(second.choices[0].message.content, "It is two.");
  },
  async "leaving a stream"() {
    const stream = await client.responses.create({ model, input: "long", stream: true });
    let seen = 0;
    for await (const event of stream) if (event.type.endsWith(".delta") && ++seen > 3) break;
    assert.equal((await client.responses.create({ model, input: "plain" })).output_text, "Hello there.");
  },
};

for (const [name, run] of Object.entries(cases)) {
  await run();
  console.log(`openai (JavaScript): ${name}`);
}
