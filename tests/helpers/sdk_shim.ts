import { fromFileUrl } from "@std/path";
// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  type CreateMessageRequest,
  CreateMessageRequestSchema,
  type CreateMessageResult,
} from "@modelcontextprotocol/sdk/types.js";
import { assert, assertEquals } from "@std/assert";
import { AWAIT_CALL } from "../../lib/admission/detached_calls.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Envelope } from "../../lib/tool/tool_output.ts";

export interface SdkShimOptions {
  /** State directory of the daemon. */
  home: string;
  /** Directory the client works in. */
  cwd?: string;
  /** The model the client lends; left out: it lends none. */
  model?: (params: CreateMessageRequest["params"]) => CreateMessageResult | Promise<CreateMessageResult>;
}

/** What one tool answered. */
export interface ToolOutcome {
  answer: Envelope;
  isError: boolean;
}

/**
 * The SDK's own client with the real `shim.ts` in a process of its own. The client knows the tools' output schemas and
 * fails where an answer does not keep to them.
 */
export class SdkShim implements AsyncDisposable {
  readonly client: Client;

  private constructor(client: Client) {
    this.client = client;
  }

  static async open({ home, cwd, model }: SdkShimOptions): Promise<SdkShim> {
    const capabilities = model ? { sampling: {} } : {};
    const client = new Client({ name: "sdk", version: "1" }, { capabilities });
    if (model) client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => model(params));
    await client.connect(
      new StdioClientTransport({
        command: Deno.execPath(),
        args: ["run", "-A", "--no-check", fromFileUrl(new URL("../../shim.ts", import.meta.url))],
        env: {
          ...Deno.env.toObject(),
          EXAI_HOME: home,
          EXAI_WS_PORT: "0",
          EXAI_WS_AUTOSTART: "false",
          ENV_FILE: "",
        },
        cwd,
        stderr: "ignore",
      }),
    );
    const { tools } = await client.listTools();
    // What await_call gives is the answer of any tool.
    const described = tools.filter(({ name, outputSchema }) => name === AWAIT_CALL || outputSchema);
    assertEquals(described.length, tools.length, "every tool describes its answer");
    return new SdkShim(client);
  }

  /**
   * Calls a tool. `onProgress` hears the messages of the progress notifications; those that come together with the
   * answer are dropped by the SDK.
   */
  async call(
    name: string,
    args: JsonObject,
    onProgress: (message: string) => void = () => {},
  ): Promise<ToolOutcome> {
    let before = -Infinity;
    const onprogress = ({ progress: now, message = "" }: { progress: number; message?: string }) => {
      assert(now > before, "progress only grows");
      before = now;
      onProgress(message);
    };
    const result = await this.client.callTool({ name, arguments: args }, undefined, { onprogress });
    const [block] = result.content as { text: string }[];
    const answer = JSON.parse(block!.text) as Envelope;
    assertEquals(result.structuredContent, answer);
    return { answer, isError: result.isError === true };
  }

  /** The content of an answer that is an object; the tool must not have failed. */
  async content(name: string, args: JsonObject): Promise<JsonObject> {
    const { answer, isError } = await this.call(name, args);
    assertEquals(isError, false, JSON.stringify(answer.content));
    return answer.content as JsonObject;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}
