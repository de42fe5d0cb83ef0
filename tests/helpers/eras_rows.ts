/** What every pair of client and server can do through the daemon. Each row sees one thing. */
import { assert, assertEquals, assertObjectMatch, assertRejects } from "@std/assert";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import type { EraClient } from "./era_client.ts";
import { QUESTION_ROWS } from "./eras_question_rows.ts";
import { type Row, textOf } from "./eras_pairing.ts";
import { until } from "./until.ts";

const WAIT_MS = 4000;

/** A notification the client was told, by method and what it says. */
function told(client: EraClient, method: string, wanted: (params: JsonObject) => boolean = () => true) {
  return until(method, () => {
    const all = client.notifications as { method: string; params?: JsonObject }[];
    return all.find((one) => one.method === method && wanted(one.params ?? {}));
  }, WAIT_MS);
}

const CALL_ROWS: Record<string, Row> = {
  "tools": async ({ client }) => {
    const names = (await client.tools()).map(({ name }) => name);
    assert(names.includes("echo") && names.includes("ask_form"), names.join());
    assertEquals(textOf(await client.call("echo", { text: "hé" })), "hé");
  },
  "upstream era": async ({ client, upstream }) => {
    const era = upstream.era === "both" ? "modern" : upstream.era;
    assertEquals(textOf(await client.call("era")), era);
  },
  "arguments left out": async ({ client }) => {
    assertEquals(textOf(await client.call("arguments")), "null");
    assertEquals(textOf(await client.call("arguments", {})), "{}");
  },
  "progress": async ({ client }) => {
    let seen: number[] = [];
    const onprogress = ({ progress, total }: { progress: number; total?: number }) => {
      assertEquals(total, 3);
      seen.push(progress);
    };
    // The SDKs' clients drop those that they read together with the result, as on a machine that stalls.
    for (let attempt = 0; attempt < 10 && seen.length < 3; attempt++) {
      seen = [];
      await client.call("slow", { ms: 30, steps: 3 }, { onprogress });
      assertEquals(seen, [1, 2, 3].slice(0, seen.length));
    }
    assertEquals(seen, [1, 2, 3]);
  },
  "cancel": async ({ client }) => {
    const key = crypto.randomUUID();
    const controller = new AbortController();
    const onprogress = () => controller.abort();
    await assertRejects(() =>
      client.call("slow", { ms: 10_000, steps: 3, key }, { signal: controller.signal, onprogress })
    );
    assertEquals(textOf(await client.call("cancelled", { key })), "true");
  },
  "tool that fails": async ({ client }) => {
    const result = await client.call("fail");
    assertEquals([result.isError, textOf(result)], [true, "it failed"]);
  },
  "error codes": async ({ client, raw }) => {
    for (const code of [-32602, -32603, -31_999, 7]) {
      const error = await assertRejects(() => client.call("refuse", { code })) as unknown as JsonObject;
      assertEquals(error.code, code);
      assertObjectMatch(error, { data: { of: "the server" } });
    }
    // Of a refused POST the client of SDK v2 hides the code.
    const unknown = raw
      ? await codeIn(raw.ask("no/such", {}, {}))
      : await codeOf(client.request("no/such", {}));
    assertEquals(unknown, -32601);
    assertEquals(await codeOf(client.call("no_such_tool")), -32602);
    assertEquals(await codeOf(client.read("test://none")), client.era === "legacy" ? -32002 : -32602);
  },
  "structured output": async ({ client }) => {
    assertEquals((await client.call("record")).structuredContent, { sum: 3 });
  },
  "output that is no object": async ({ client, upstream }) => {
    if (upstream.era === "legacy") return;
    const tool = (await client.tools()).find(({ name }) => name === "list");
    const { structuredContent } = await client.call("list");
    const schema = tool!.outputSchema as JsonObject;
    const isWrapped = client.era === "legacy";
    assertEquals(schema.type, isWrapped ? "object" : "array");
    assertEquals(structuredContent, isWrapped ? { result: [1, 2, 3] } : [1, 2, 3]);
  },
  "mirrored argument": async ({ client }) => {
    await client.tools();
    assertEquals(textOf(await client.call("region", { region: "Zürich", rest: "x" })), "Zürich");
  },
  "resources and prompts": async ({ client }) => {
    const { contents } = await client.read("test://static-text") as { contents: JsonObject[] };
    assertEquals(contents[0]!.uri, "test://static-text");
    const { messages } = await client.prompt("test_simple_prompt") as { messages: unknown[] };
    assertEquals(messages.length, 1);
  },
};

async function codeIn(answer: Promise<JsonObject>): Promise<unknown> {
  return ((await answer).error as JsonObject | undefined)?.code;
}

async function codeOf(answer: Promise<unknown>): Promise<unknown> {
  const error = await answer.then(() => undefined, (thrown) => thrown);
  return error instanceof Error && isObject({ ...error })
    ? (error as unknown as JsonObject).code
    : "no error";
}

const TOLD_ROWS: Record<string, Row> = {
  "log level": async ({ client }) => {
    const lines = () =>
      (client.notifications as { method: string; params: JsonObject }[]).filter(({ method, params }) =>
        method === "notifications/message" && String(params.data).startsWith("at ")
      ).map(({ params }) => params.level);
    if (client.era === "modern") {
      await client.call("log");
      assertEquals(lines(), [], "none was asked for");
    }
    await client.setLogLevel("warning");
    await client.call("log", {}, { logLevel: "warning" });
    const wanted = ["warning", "error", "critical", "alert", "emergency"];
    await until("log lines", () => lines().length >= wanted.length || undefined, WAIT_MS);
    assertEquals(lines(), wanted);
  },
  "list change": async ({ client }) => {
    await client.watch([]);
    for (const kind of ["tools", "prompts", "resources"] as const) {
      // Who has not asked for a list is not told of its changes.
      const before = (await client[kind]()).length;
      await client.call("change", { kind });
      await told(client, `notifications/${kind}/list_changed`);
      assert((await client[kind]()).length > before, `what is new is listed among ${kind}`);
    }
  },
  "resource updated": async ({ client }) => {
    const uri = "test://watched-resource";
    await client.watch([uri]);
    await client.call("update", { uri });
    await told(client, "notifications/resources/updated", (params) => params.uri === uri);
    const { contents } = await client.read(uri) as { contents: { text: string }[] };
    assert(contents[0]!.text.startsWith("version "), contents[0]!.text);
  },
};

const TASK_ROWS: Record<string, Row> = {
  "task": async ({ client, upstream, raw }) => {
    if (client.era === "legacy") {
      if (upstream.era !== "legacy") {
        return assertEquals(textOf(await client.call("work", { ms: 20 })), "worked");
      }
      const params = { name: "work", arguments: { ms: 20 }, task: { ttl: 60_000 } };
      const { task } = await client.request("tools/call", params) as { task: JsonObject };
      const { taskId } = task as { taskId: string };
      return assertEquals(textOf(await client.request("tasks/result", { taskId })), "worked");
    }
    assertEquals(textOf(await client.call("work", { ms: 20 })), "worked", "who declares no tasks sees none");
    if (upstream.era === "legacy") return;
    const extensions = { "io.modelcontextprotocol/tasks": {} };
    const made = await raw!.ask("tools/call", { name: "work", arguments: { ms: 20 } }, { extensions });
    const { taskId, resultType } = made.result as { taskId: string; resultType: string };
    assertEquals(resultType, "task", JSON.stringify(made));
    const done = await until("the task", async () => {
      const { result } = await raw!.ask("tasks/get", { taskId }, { extensions });
      return (result as JsonObject).status === "completed" ? result as JsonObject : undefined;
    }, WAIT_MS);
    assertEquals(textOf(done.result), "worked");
  },
};

/** All rows by name. */
export const ROWS: Record<string, Row> = { ...CALL_ROWS, ...QUESTION_ROWS, ...TOLD_ROWS, ...TASK_ROWS };
