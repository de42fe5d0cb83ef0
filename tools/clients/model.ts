import { createServer } from "@copilotkit/aimock";
import { isObject, type JsonObject } from "../../lib/base/json.ts";

/** A model that says one word, for any client, and keeps which tools each conversation offered it. */
export interface ScriptedModel extends AsyncDisposable {
  /** Where its API begins, without `/v1`. */
  readonly url: string;
  /** The names of the tools of each request so far that had a text to answer, in order. */
  readonly offers: readonly (readonly string[])[];
}

/** Starts a {@linkcode ScriptedModel} that understands the APIs of Anthropic, OpenAI and Gemini. */
export async function startModel(): Promise<ScriptedModel> {
  const mock = await createServer([{ match: { predicate: () => true }, response: { content: "Hello." } }], {
    port: 0,
    logLevel: "silent",
  });
  const offers: string[][] = [];
  // In front of it, as its own journal leaves out what is longer than 64 KiB.
  const front = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = request.body ? await request.text() : undefined;
    const asked = parse(body);
    if (asked && isConversation(asked)) offers.push(toolNames(asked));
    const { method, headers } = request;
    return await fetch(`${mock.url}${pathname}${search}`, { method, headers, body });
  });
  return {
    url: `http://127.0.0.1:${front.addr.port}`,
    offers,
    async [Symbol.asyncDispose]() {
      await front.shutdown();
      mock.server.closeAllConnections();
      await new Promise((resolve) => mock.server.close(resolve));
    },
  };
}

function parse(body: string | undefined): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body ?? "");
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Clients also ask for a title of the conversation, without any tool. */
function isConversation({ messages, input, contents, tools }: JsonObject): boolean {
  return Array.isArray(messages ?? input ?? contents) && Array.isArray(tools) && tools.length > 0;
}

/** The names in each API's form of `tools`; a namespace of tools counts as its tools. */
function toolNames({ tools }: JsonObject): string[] {
  return objects(tools).flatMap((tool) => {
    if (Array.isArray(tool.functionDeclarations)) return objects(tool.functionDeclarations).map(nameOf);
    if (Array.isArray(tool.tools)) return objects(tool.tools).map((one) => `${nameOf(tool)}${nameOf(one)}`);
    return [nameOf(isObject(tool.function) ? tool.function : tool)];
  });
}

function nameOf({ name, type }: JsonObject): string {
  return String(name ?? type);
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
