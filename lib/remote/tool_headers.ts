import { isObject, type JsonObject } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { type HeaderParam, headerParams, paramHeaders } from "../wire/headers.ts";
import { exactResult } from "../wire/raw_message.ts";
import { memberOf, type Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** Tools whose annotations are kept; beyond that the oldest is forgotten. */
const MAX_TOOLS = 4096;

/**
 * Which arguments of its tools a server wants repeated in headers (MCP basic/transports/streamable-http, custom headers
 * from tool parameters). It reads the lists that pass, because the rule is this transport's alone: over stdio the same
 * tools are shown whatever their annotations.
 */
export class ToolHeaders {
  readonly #byTool = new Map<string, readonly HeaderParam[]>();
  readonly #leftOut = new Map<string, string>();
  readonly #warn: (warning: string) => void;

  /** @param warn takes which tool is left out and why, once for each reason */
  constructor(warn: (warning: string) => void) {
    this.#warn = warn;
  }

  /** Notes a page of `tools/list`, and returns it without the tools that no client may show. */
  read(page: Result): Result {
    if (page.error) return page;
    // As numbers came: what is left is written again.
    const list = exactResult(page);
    const { tools } = list;
    if (!Array.isArray(tools)) return page;
    const shown = tools.filter((tool) => !isObject(tool) || this.#note(tool));
    return shown.length === tools.length ? page : { result: { ...list, tools: shown } };
  }

  /** The headers of a `tools/call` with `params`. */
  of(params: Params): Record<string, string> {
    const name = memberOf(params, "name");
    const known = typeof name === "string" ? this.#byTool.get(name) : undefined;
    return known ? paramHeaders(known, memberOf(params, "arguments")) : {};
  }

  /** Whether the tool may be shown. */
  #note({ name, inputSchema }: JsonObject): boolean {
    if (typeof name !== "string") return true;
    this.#byTool.delete(name);
    const found = headerParams(inputSchema);
    if (found.fault !== undefined) {
      this.#warnOnce(name, found.fault);
      return false;
    }
    this.#leftOut.delete(name);
    if (found.params.length > 0) this.#byTool.set(name, found.params);
    if (this.#byTool.size > MAX_TOOLS) this.#byTool.delete(this.#byTool.keys().next().value!);
    return true;
  }

  #warnOnce(name: string, fault: string): void {
    if (this.#leftOut.get(name) === fault) return;
    this.#leftOut.set(name, fault);
    if (this.#leftOut.size > MAX_TOOLS) this.#leftOut.delete(this.#leftOut.keys().next().value!);
    this.#warn(`the tool ${quoteName(name)} is left out: its inputSchema is invalid: ${fault}`);
  }
}
