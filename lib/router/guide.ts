import { ExaiError } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import { type Implementation, LATEST_REVISION, replayOf } from "../wire/mcp.ts";
import { MERGED_CAPABILITIES } from "../wire/merged_catalog.ts";
import type { Result } from "../wire/rpc.ts";
import { mergedExtensions } from "./extensions.ts";
import { composeInstructions, withTroubles } from "./instructions.ts";
import type { ToolView } from "./tool_view.ts";

/** Servers that are configured and not mounted, as their entry has a fault or is switched off. */
interface UnmountedServers {
  /** Why the configured server `name` is not mounted. */
  whyUnmounted(name: string): ServerTrouble | undefined;
  /** The trouble of the one that has the tool `tool`. */
  ofTool(tool: string): ServerTrouble | undefined;
}

/** What the instructions of windows are made of. */
export interface GuideOptions {
  servers: () => readonly Server[];
  serverInfo: Implementation;
  /** EXAI's own instructions for a window. */
  instructionsFor?(caller: Caller): string;
  /**
   * What does not work for a window that is told so now, in a fixed order; left out: nothing.
   *
   * @param options `isSeen`: whether its client sees the instructions
   */
  troublesOf?(caller: Caller, options: { isSeen: boolean }): Promise<readonly ServerTrouble[]>;
  unmounted?: UnmountedServers;
}

/** The capabilities of the merged catalog; independent of the mounted servers, which may change during a session. */
const CAPABILITIES: JsonObject = {
  ...MERGED_CAPABILITIES,
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
};

/** What windows are told of the servers beside their lists: how they are used, and which do not work. */
export class Guide {
  readonly #view: ToolView;
  readonly #options: GuideOptions;

  constructor(view: ToolView, options: GuideOptions) {
    this.#view = view;
    this.#options = options;
  }

  /** Answers `initialize`: what the window can do, and its instructions. */
  async initialize(call: Call): Promise<Result> {
    const { caller } = call;
    const protocolVersion = caller.revision ?? LATEST_REVISION;
    const isSeen = replayOf(call.params) === undefined;
    const troubles = [
      ...(caller.notice ? [caller.notice] : []),
      ...await this.#options.troublesOf?.(caller, { isSeen }) ?? [],
    ];
    if (caller.server !== undefined) {
      const description = await this.serverNamed(caller.server).describe(caller, call.signal, true);
      const instructions = asPart(withTroubles(textOf(description.instructions) ?? "", troubles));
      return { result: { ...description, ...instructions, protocolVersion } };
    }
    const { servers, serverInfo } = this.#options;
    const own = this.#options.instructionsFor?.(caller) ?? "";
    const { texts, searchable } = await this.#view.textsFor(servers(), call);
    const instructions = asPart(composeInstructions({ own, troubles, texts, searchable }));
    const extensions = mergedExtensions(servers(), caller);
    const capabilities = Object.keys(extensions).length === 0
      ? CAPABILITIES
      : { ...CAPABILITIES, extensions };
    return { result: { protocolVersion, capabilities, serverInfo, ...instructions } };
  }

  /** Whether `caller` may use a tool of the server, as far as that is known. */
  sees(caller: Caller, server: string): boolean {
    const mounted = this.#options.servers().find(({ name }) => name === server);
    return mounted === undefined || this.#view.sees(mounted, caller);
  }

  /** Names of the servers that can be used alone. */
  get serverNames(): string[] {
    return this.#options.servers().map(({ name }) => name);
  }

  /** @throws {ExaiError} why there is no server `name`, with what to do */
  serverNamed(name: string): Server {
    const server = this.#options.servers().find((server) => server.name === name);
    if (server) return server;
    const unmounted = this.#options.unmounted?.whyUnmounted(name);
    if (unmounted) {
      throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(unmounted), { details: { server: name } });
    }
    const known = this.serverNames.join(", ");
    throw new ExaiError("INVALID_PARAMS", `there is no server ${JSON.stringify(name)}; there are: ${known}`);
  }
}

function asPart(instructions: string): JsonObject {
  return instructions === "" ? {} : { instructions };
}
