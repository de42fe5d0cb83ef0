import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import { anyOf, type Matcher } from "../../base/patterns.ts";
import type { ToolChoice } from "../../config/server_config.ts";
import { type Call, derive } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";

/** Applies the configuration's include, exclude, rename and prefix to one server's tools. */
export class ToolFilter {
  readonly #choice: ToolChoice;
  readonly #include: Matcher | undefined;
  readonly #exclude: Matcher;
  readonly #ownNames: ReadonlyMap<string, string>;

  constructor(choice: ToolChoice) {
    this.#choice = choice;
    this.#include = choice.include && anyOf(choice.include);
    this.#exclude = anyOf(choice.exclude);
    this.#ownNames = new Map(Object.entries(choice.rename).map(([own, shown]) => [shown, own]));
  }

  /** Whether a tool is offered, by the server's name of it. */
  offers(own: string): boolean {
    return (this.#include?.test(own) ?? true) && !this.#exclude.test(own);
  }

  /** Whether an entry of the server's list is offered; malformed entries without a name are not filtered here. */
  offersEntry(entry: unknown): boolean {
    return !isObject(entry) || typeof entry.name !== "string" || this.offers(entry.name);
  }

  /** `tools` under their names in the merged catalog. */
  named(tools: readonly JsonObject[]): readonly JsonObject[] {
    return tools.map((tool) => {
      const name = this.#shownName(textOf(tool.name) ?? "");
      return name === tool.name ? tool : { ...tool, name };
    });
  }

  /** The server's name of the tool that the merged catalog shows as `shown`. */
  ownName(shown: string): string {
    const { prefix, rename } = this.#choice;
    const renamed = this.#ownNames.get(shown);
    if (renamed !== undefined) return renamed;
    const own = shown.startsWith(prefix) ? shown.slice(prefix.length) : shown;
    return Object.hasOwn(rename, own) ? shown : own;
  }

  /**
   * `call` with the server's name of the tool, in place of the name in the merged catalog.
   *
   * @throws {ExaiError} `TOOL_NOT_FOUND` when the tool is not offered, `INVALID_PARAMS` without a name
   */
  ownCall(call: Call, server: string): Call {
    if (call.method !== "tools/call") return call;
    const shown = textOf(call.params.name);
    if (shown === undefined) throw new ExaiError("INVALID_PARAMS", "name must be a text");
    const name = call.caller.server === undefined ? this.ownName(shown) : shown;
    if (!this.offers(name)) {
      throw new ExaiError("TOOL_NOT_FOUND", `server "${server}" offers no tool ${JSON.stringify(shown)}`);
    }
    return name === shown ? call : derive(call, { params: { ...call.params, name } });
  }

  /** A result of `tools/list` without the tools that are not offered. */
  offeredOf(result: Result): Result {
    if (!Array.isArray(result.result?.tools)) return result;
    const tools = result.result.tools.filter((tool) => this.offersEntry(tool));
    return { result: { ...result.result, tools } };
  }

  #shownName(own: string): string {
    const { prefix, rename } = this.#choice;
    return Object.hasOwn(rename, own) ? rename[own]! : prefix + own;
  }
}
