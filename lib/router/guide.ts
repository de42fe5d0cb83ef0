import { type JsonObject, textOf } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { ServerTrouble } from "../call/server_trouble.ts";
import { composeInstructions, withTroubles } from "./instructions.ts";
import type { ToolView } from "./tool_view.ts";

/** Says what is wrong with the configured servers. */
interface TroubleSource {
  /** What concerns `caller`, in a fixed order. */
  of(caller: Caller): Promise<readonly ServerTrouble[]>;
  /** Why the configured server `name` is not mounted. */
  whyUnmounted(name: string): ServerTrouble | undefined;
  /** The trouble of the server that is not mounted and has the tool `tool`. */
  ofTool(tool: string): ServerTrouble | undefined;
  /** Called when the instructions of `caller` have told `troubles`. */
  onTold(caller: Caller, troubles: readonly ServerTrouble[]): void;
}

/** What the instructions of windows are made of. */
export interface GuideOptions {
  servers: () => readonly Server[];
  /** EXAI's own instructions. */
  instructions?: string;
  /** What is wrong with the configured servers; left out: nothing. */
  troubles?: TroubleSource;
}

/** The instructions of each window: how the tools are used, and what does not work. */
export class Guide {
  readonly #view: ToolView;
  readonly #options: GuideOptions;

  constructor(view: ToolView, options: GuideOptions) {
    this.#view = view;
    this.#options = options;
  }

  /** The instructions of a window of the merged catalog, as part of the answer to `initialize`. */
  async ofAll(call: Call): Promise<JsonObject> {
    const { servers, instructions: own = "" } = this.#options;
    const { texts, searchable } = await this.#view.textsFor(servers(), call);
    const troubles = await this.#troublesOf(call.caller);
    return asPart(composeInstructions({ own, troubles, texts, searchable }));
  }

  /** The instructions of a window of one server alone, whose own are `own`. */
  async ofOne(own: unknown, caller: Caller): Promise<JsonObject> {
    return asPart(withTroubles(textOf(own) ?? "", await this.#troublesOf(caller)));
  }

  /** Whether `caller` may use a tool of the server, as far as that is known. */
  sees(caller: Caller, server: string): boolean {
    const mounted = this.#options.servers().find(({ name }) => name === server);
    return mounted === undefined || this.#view.sees(mounted, caller);
  }

  async #troublesOf(caller: Caller): Promise<readonly ServerTrouble[]> {
    const all = await this.#options.troubles?.of(caller) ?? [];
    const troubles = all.filter(({ server }) => server === undefined || this.sees(caller, server));
    this.#options.troubles?.onTold(caller, troubles);
    return troubles;
  }
}

function asPart(instructions: string): JsonObject {
  return instructions === "" ? {} : { instructions };
}
