import { ExaiError } from "../../base/errors.ts";
import { isObject, textOf } from "../../base/json.ts";
import { anyOf, type Matcher } from "../../base/patterns.ts";
import type { ToolChoice } from "../../config/server_config.ts";
import { type Call, paramOf } from "../../call/call.ts";
import { exactResult } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";

/** Applies the configuration's `include` and `exclude` to the tools of one server. The router renames them. */
export class ToolFilter {
  readonly #include: Matcher | undefined;
  readonly #exclude: Matcher;

  constructor({ include, exclude }: Pick<ToolChoice, "include" | "exclude">) {
    this.#include = include && anyOf(include);
    this.#exclude = anyOf(exclude);
  }

  /** Whether a tool is offered, by the server's name of it. */
  offers(own: string): boolean {
    return (this.#include?.test(own) ?? true) && !this.#exclude.test(own);
  }

  /** Whether an entry of the server's list is offered; malformed entries without a name are not filtered here. */
  offersEntry(entry: unknown): boolean {
    return !isObject(entry) || typeof entry.name !== "string" || this.offers(entry.name);
  }

  /**
   * @throws {ExaiError} `TOOL_NOT_FOUND` when `call` names a tool that is not offered, `INVALID_PARAMS` without a name
   */
  check(call: Call, server: string): void {
    if (call.method !== "tools/call") return;
    const name = textOf(paramOf(call, "name"));
    if (name === undefined) throw new ExaiError("INVALID_PARAMS", "name must be a text");
    if (this.offers(name)) return;
    throw new ExaiError("TOOL_NOT_FOUND", `server "${server}" offers no tool ${JSON.stringify(name)}`);
  }

  /** A result of `tools/list` without the tools that are not offered. */
  offeredOf(result: Result): Result {
    if (result.error) return result;
    const page = exactResult(result);
    if (!Array.isArray(page.tools)) return result;
    const tools = page.tools.filter((tool) => this.offersEntry(tool));
    return tools.length === page.tools.length ? result : { result: { ...page, tools } };
  }
}
