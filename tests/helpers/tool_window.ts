import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Settings } from "../../lib/config/settings.ts";
import type { Envelope } from "../../lib/tool/tool_output.ts";
import type { OpenAiServer } from "../fixtures/openai_server.ts";
import { RawClient } from "./raw_client.ts";

/** The settings of a daemon that has `server` for a provider, with one model `m`, and no other. */
export function onlyProvider(server: OpenAiServer): Partial<Settings> {
  return { findLocal: false, customUrl: server.url, customModel: "m" };
}

/** What one tool answered. */
export interface Answered extends Envelope {
  isError: boolean;
}

/** A window whose client calls EXAI's own tools. */
export class ToolWindow implements AsyncDisposable {
  readonly raw: RawClient;

  private constructor(raw: RawClient) {
    this.raw = raw;
  }

  /** Connects to the daemon at `url` from the directory `cwd`. */
  static async open(url: string, cwd?: string): Promise<ToolWindow> {
    return new ToolWindow(await RawClient.hello(url, cwd === undefined ? {} : { cwd }));
  }

  /** Sends a call and does not wait for it. */
  begin(request_id: string, name: string, args: JsonObject = {}, more: JsonObject = {}): void {
    this.raw.send({ op: "call_tool", request_id, name, arguments: args, ...more });
  }

  /** The next reply to any call, past any progress. */
  reply(): Promise<JsonObject> {
    return this.raw.nextWhere(({ op }) => op === "call_tool_res");
  }

  /** Calls a tool and gives its answer, which may say that it failed. */
  async call(name: string, args: JsonObject = {}): Promise<Answered> {
    return answerOf(await this.raw.call(name, args));
  }

  /** Calls a tool that must not fail and gives the content of its answer. */
  async content(name: string, args: JsonObject = {}): Promise<JsonObject> {
    const { content, isError } = await this.call(name, args);
    assertEquals(isError, false, JSON.stringify(content));
    return content as JsonObject;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.raw.close();
  }
}

/** The answer of a tool in `reply`; fails when the call itself could not be made. */
export function answerOf(reply: JsonObject): Answered {
  assertEquals(reply.error, undefined, JSON.stringify(reply.error));
  const envelope = JSON.parse(String((reply.outputs as JsonObject[])[0]!.text));
  return { ...envelope, isError: reply.is_error === true };
}
